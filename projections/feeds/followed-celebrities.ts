import { FEED } from '../../domain/limits.ts';
import type { Change, Entry } from '../../infra/redis/sorted-index.ts';
import { UNCOMMON } from '../models/accounts.ts';
import { audiencesOf } from './audiences.ts';
import { pairsNow } from './fan-out-queries.ts';
import type { FanOutWork, Pair } from './fan-out-work.ts';
import { unhindered } from './feed-definition.ts';
import type { DefinedIndexes } from './index-check.ts';
import { keysOf } from '../lane-keys.ts';
import type { LaneContext, LaneGroup } from '../lane-projection.ts';
import type { ReadContext } from '../projection.ts';

/**
 * The word of these indexes in Redis keys. They share the bucket of their viewer's feed, so that both are read in one
 * call.
 */
export const FOLLOWED_CELEBRITIES_KEYS = 'followed_celebrities';

const ENTRIES = 2_000;
// The order does not matter; ties are broken by id.
const SCORE = 1;

/** What the indexes must hold, for `differences` and for building them. */
export const followedCelebrities: DefinedIndexes = {
  keys: FOLLOWED_CELEBRITIES_KEYS,
  entries: ENTRIES,
  define: ({ read }, viewers) => followedCelebritiesByDefinition(read, viewers),
  expiredAt: () => 0,
};

/**
 * For each viewer the accounts that are or ever were celebrities and whose entries the viewer gets. Their posts have to
 * be looked for in their own indexes: whatever the state of a hand-over, they are there or in the viewer's feed.
 */
export async function followedCelebritiesByDefinition(
  read: ReadContext,
  viewers: readonly string[],
): Promise<Map<string, Entry[]>> {
  const { sql, builds } = read;
  const { rows } = await sql.query<{ viewer: string; celebrities: string[] }>(
    `select f.follower_id as viewer, (array_agg(f.followee_id order by f.followee_id desc))[1:${ENTRIES}] as celebrities
     from ${builds.schema('follows')}.follow f
     join ${builds.schema('accounts')}.account a on a.account_id = f.followee_id and a.was_celebrity and a.status = 'active'
     where f.follower_id = any($1::text[]) and ${unhindered(read, 'f')}
     group by f.follower_id`,
    [viewers],
  );
  const found = new Map<string, Entry[]>(viewers.map((id) => [id, []]));
  for (const { viewer, celebrities } of rows)
    found.set(
      viewer,
      celebrities.map((id) => ({ id, score: SCORE })),
    );
  return found;
}

/** Brings these indexes in line with the models; before fan-out takes a new celebrity's posts out of the feeds. */
export async function followCelebrities(context: LaneContext, lanes: LaneGroup, work: FanOutWork): Promise<void> {
  const keyOf = keysOf(context.prefix, FOLLOWED_CELEBRITIES_KEYS);
  const apply = (changes: readonly Change[]) =>
    context.indexes.apply(lanes.writers, { entries: ENTRIES, slack: FEED.slack }, changes);
  const standings = await standingsOf(context.read, [...work.authors, ...work.pairs.map(({ author }) => author)]);
  await apply(
    await pairChanges(
      context.read,
      work.pairs.filter(({ author }) => standings.has(author)),
      standings,
      keyOf,
    ),
  );
  const authors = [...work.authors].filter((author) => standings.has(author));
  for (const audience of ['followers', 'followers of erased'] as const) {
    for await (const audiences of audiencesOf(context.read, audience, authors)) {
      await apply(
        audiences.map(({ author, viewers }) => ({
          keys: viewers.map(keyOf),
          ...changeOf(author, standings.get(author) === 'active'),
        })),
      );
    }
  }
  await context.indexes.discard(lanes.writers, [...work.gone].map(keyOf));
}

type Standing = 'active' | 'gone';

/** Of those that are or were celebrities, who is still there. */
async function standingsOf({ sql, builds }: ReadContext, authors: readonly string[]): Promise<Map<string, Standing>> {
  if (authors.length === 0) return new Map();
  const { rows } = await sql.query<{ id: string; active: boolean }>(
    `select account_id as id, status = 'active' as active from ${builds.schema('accounts')}.account
     where account_id = any($1::text[]) and ${UNCOMMON}`,
    [authors],
  );
  return new Map(rows.map(({ id, active }) => [id, active ? 'active' : 'gone']));
}

async function pairChanges(
  read: ReadContext,
  pairs: readonly Pair[],
  standings: ReadonlyMap<string, Standing>,
  keyOf: (viewer: string) => string,
): Promise<Change[]> {
  const states = await pairsNow(read, pairs);
  return states.map(({ author, viewer, gets }) => ({
    keys: [keyOf(viewer)],
    ...changeOf(author, gets && standings.get(author) === 'active'),
  }));
}

function changeOf(author: string, add: boolean): Pick<Change, 'add' | 'remove'> {
  return add ? { add: [{ id: author, score: SCORE }], remove: [] } : { add: [], remove: [author] };
}
