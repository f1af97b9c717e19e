import { FEED } from '../../domain/limits.ts';
import type { Bound, Change } from '../../infra/redis/sorted-index.ts';
import { audiencesOf, type AudienceOf } from './audiences.ts';
import { fillAbsent, IDLE_BELOW_MS } from './computed-index.ts';
import { Deliveries, type Delta } from './deliveries.ts';
import { authorsNow, entriesNow, pairsNow, type AuthorNow, type EntryNow, type PairNow } from './fan-out-queries.ts';
import type { FanOutWork, Pair } from './fan-out-work.ts';
import { feedsByDefinition, type EntryKind } from './feed-definition.ts';
import type { DefinedIndexes } from './index-check.ts';
import { idOfKey, keysOf } from '../lane-keys.ts';
import type { LaneContext, LaneGroup } from '../lane-projection.ts';

const REFILLED_AT_ONCE = 100;
/** As many are put together by viewer before they are sent. */
const DELIVERIES_AT_ONCE = 100_000;

/** Feeds of one kind of entries: `keys` is their word in Redis keys. */
export type Feeds = { readonly kind: EntryKind; readonly keys: string };

/** What the feeds must hold, for `differences` and for building them. */
export function definedFeeds({ kind, keys }: Feeds): DefinedIndexes {
  return {
    keys,
    entries: kind.feedEntries,
    define: ({ read }, viewers, now) => feedsByDefinition(read, kind, viewers, now),
    expiredAt: (now) => now.getTime() - kind.windowMs,
  };
}

/**
 * Brings feeds in line with the PostgreSQL models, as far as a batch may have changed them. Each step reads the models
 * and sets what they say: however far ahead of the lane they are, whatever they changed since comes as a later event of
 * the same lane, and the last event that concerns an author and a viewer finds the final state. So a batch may be
 * handled twice, or again after a crash, and its events in any order.
 * While fan-out is stopped there are no feeds to bring in line.
 */
export async function fanOut(context: LaneContext, lanes: LaneGroup, feeds: Feeds, work: FanOutWork): Promise<void> {
  if (context.level === 'none') return;
  const now = context.now();
  const run: Run = { context, lanes, feeds, now, keyOf: keysOf(context.prefix, feeds.keys) };
  await syncEntries(run, await entriesNow(context.read, feeds.kind, [...work.entries.keys()]));
  await syncPairs(run, work.pairs);
  await syncAuthors(run, [...work.authors]);
  await context.indexes.discard(lanes.writers, [...work.gone].map(run.keyOf));
}

type Run = {
  readonly context: LaneContext;
  readonly lanes: LaneGroup;
  readonly feeds: Feeds;
  readonly now: Date;
  readonly keyOf: (viewer: string) => string;
};

async function syncEntries(run: Run, entries: readonly EntryNow[]): Promise<void> {
  // Entries of celebrities are in no feed, and an erased author's feeds are dropped by the event that says so.
  const pushed = entries.filter(({ reach }) => reach === 'pushed');
  await deliver(
    run,
    'followers',
    deltasOf(
      run,
      pushed.filter(({ closeOnly }) => !closeOnly),
    ),
  );
  await deliver(
    run,
    'close friends',
    deltasOf(
      run,
      pushed.filter(({ closeOnly }) => closeOnly),
    ),
  );
}

function deltasOf({ feeds, now }: Run, entries: readonly EntryNow[]): Map<string, Delta> {
  const since = now.getTime() - feeds.kind.windowMs;
  const deltas = new Map<string, Delta>();
  for (const [author, own] of Map.groupBy(entries, (entry) => entry.author)) {
    const add = own.flatMap(({ id, shown, score }) =>
      shown && score !== undefined && score > since ? [{ id, score }] : [],
    );
    deltas.set(author, { add, remove: own.filter(({ shown }) => !shown).map(({ id }) => id) });
  }
  return deltas;
}

async function syncAuthors(run: Run, authors: readonly string[]): Promise<void> {
  if (authors.length === 0) return;
  const states = [...(await authorsNow(run.context.read, run.feeds.kind, authors, run.now))];
  await deliver(
    run,
    'followers',
    new Map(
      states
        .filter(([, { reach }]) => reach !== 'gone')
        .map(([author, state]) => [author, deltaOf(run, state, { gets: state.reach === 'pushed', close: false })]),
    ),
  );
  if (run.feeds.kind.audiences) {
    await deliver(
      run,
      'close friends',
      new Map(
        states
          .filter(([, { reach }]) => reach === 'pushed')
          .map(([author, state]) => [author, deltaOf(run, state, { gets: true, close: true })]),
      ),
    );
  }
  const erased = states.filter(([, { reach }]) => reach === 'gone').map(([author]) => author);
  // What an erased author had is no longer known, so the feeds of the followers are dropped and computed anew.
  for (const whose of ['followers', 'followers of erased'] as const) {
    for await (const audiences of audiencesOf(run.context.read, whose, erased)) {
      await run.context.indexes.discard(
        run.lanes.writers,
        audiences.flatMap(({ viewers }) => viewers.map(run.keyOf)),
      );
    }
  }
}

async function syncPairs(run: Run, pairs: readonly Pair[]): Promise<void> {
  if (pairs.length === 0) return;
  const { read, indexes } = run.context;
  const states = await pairsNow(read, pairs);
  const authors = await authorsNow(read, run.feeds.kind, [...new Set(pairs.map(({ author }) => author))], run.now);
  const changes: Change[] = [];
  const dropped: string[] = [];
  for (const pair of states) {
    const author = authors.get(pair.author);
    if (author === undefined || author.reach === 'gone') dropped.push(run.keyOf(pair.viewer));
    else
      changes.push({
        keys: [run.keyOf(pair.viewer)],
        ...deltaOf(run, author, { ...pair, gets: pair.gets && author.reach === 'pushed' }),
      });
  }
  await refill(run, await applyAll(run, changes));
  await indexes.discard(run.lanes.writers, dropped);
}

/** All that an author's entries mean to a viewer: those that the viewer gets, and the others to remove. */
function deltaOf({ feeds }: Run, { shown, hidden }: AuthorNow, viewer: Pick<PairNow, 'gets' | 'close'>): Delta {
  const gets = (entry: { closeOnly: boolean }) => viewer.gets && (viewer.close || !entry.closeOnly);
  const add = shown
    .filter(gets)
    .slice(0, feeds.kind.feedEntries)
    .map(({ id, score }) => ({ id, score }));
  return { add, remove: [...shown.filter((entry) => !gets(entry)).map(({ id }) => id), ...hidden] };
}

async function deliver(run: Run, of: AudienceOf, deltas: ReadonlyMap<string, Delta>): Promise<void> {
  const authors = [...deltas].filter(([, { add, remove }]) => add.length + remove.length > 0).map(([author]) => author);
  let gathered = new Deliveries(run.keyOf);
  const incomplete: string[] = [];
  const send = async () => {
    const changes = gathered.changes();
    gathered = new Deliveries(run.keyOf);
    incomplete.push(...(await applyAll(run, changes)).slice(0, REFILLED_AT_ONCE));
  };
  for await (const audiences of audiencesOf(run.context.read, of, authors)) {
    const large = audiences.reduce((sum, { viewers, beyond }) => sum + (beyond ? viewers.length : 0), 0);
    if (large > 0) {
      // The others do not wait with it.
      await send();
      await run.context.pace?.(large);
    }
    for (const { author, viewers } of audiences) {
      const delta = deltas.get(author);
      if (delta !== undefined) gathered.add(delta, viewers);
    }
    // One author's pages have no viewer in common: what there is of them goes while the next is read.
    if (large > 0 || authors.length === 1 || gathered.size >= DELIVERIES_AT_ONCE) await send();
  }
  await send();
  await refill(run, incomplete);
}

/** Makes the changes, and gives the keys of the feeds that lost too much to know their newest entries. */
async function applyAll({ context, lanes, feeds }: Run, changes: readonly Change[]): Promise<string[]> {
  const bound: Bound = {
    entries: feeds.kind.feedEntries,
    slack: FEED.slack,
    ...(context.level === 'active' ? { idleBelowMs: IDLE_BELOW_MS } : {}),
  };
  return (await context.indexes.apply(lanes.writers, bound, changes)).incomplete;
}

/**
 * Full feeds that lost entries no longer know which come next: they are computed anew, here or, when many, by their
 * readers.
 */
async function refill({ context, feeds: { kind }, now }: Run, keys: readonly string[]): Promise<void> {
  const targets = keys.slice(0, REFILLED_AT_ONCE).map((key) => ({ id: idOfKey(key), key }));
  await fillAbsent(context.indexes, targets, {
    limit: kind.feedEntries,
    compute: (viewers) => feedsByDefinition(context.read, kind, viewers, now),
  });
}
