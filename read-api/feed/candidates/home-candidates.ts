import { LRUCache } from 'lru-cache';
import { FEED } from '../../../domain/limits.ts';
import type { AccountId } from '../../../domain/ids.ts';
import type { Entry } from '../../../infra/redis/sorted-index.ts';
import { celebritiesFrom } from '../../../projections/queries/celebrity-status.ts';
import { celebrityIndexes, celebrityPosts } from '../../../projections/feeds/celebrity-posts.ts';
import type { IndexSource } from '../../../projections/feeds/computed-index.ts';
import { authorIndexesByDefinition, feedsByDefinition, POSTS } from '../../../projections/feeds/feed-definition.ts';
import {
  FOLLOWED_CELEBRITIES_KEYS,
  followedCelebritiesByDefinition,
} from '../../../projections/feeds/followed-celebrities.ts';
import { homeFeed, homeFeeds } from '../../../projections/feeds/home-feed.ts';
import { keysOf } from '../../../projections/lane-keys.ts';
import type { ReadContext } from '../../../projections/projection.ts';
import type { IndexReader, ReadIndex } from './index-reader.ts';
import { Merger } from './merge-candidates.ts';

/** A post that may be on the viewer's home page; its score is its publication. */
export type Candidate = Entry;

/** The candidates, newest first, and whether the viewer's feed was there or had to be computed. */
export type Candidates = { readonly posts: readonly Candidate[]; readonly from: ReadIndex['from'] };

export type CandidateDeps = {
  readonly indexes: IndexReader;
  /** From so many followers on a celebrity's index is kept in this process for a while. */
  readonly superCelebrityFrom: number;
  /** How many of those are kept, default 200, and for how long, default one second. */
  readonly kept?: { readonly most: number; readonly ms: number };
};

/** `primary` must not lag behind what lanes have written; `fresh` bypasses what this process remembers. */
export type CandidateRequest = {
  readonly primary: ReadContext;
  readonly viewer: AccountId;
  readonly now: Date;
  readonly fresh: boolean;
};

export type FindCandidates = (request: CandidateRequest) => Promise<Candidates>;

const KEPT = { most: 200, ms: 1_000 };
const SUPER_LIST_KEPT_MS = 60_000;

/**
 * Finds what a home page is made of: the viewer's feed, and the posts of the celebrities that it follows, of at most 50
 * of them, those with the newest posts. A post that is in both, as during a hand-over, comes once.
 */
export function createCandidateFinder({
  indexes,
  superCelebrityFrom,
  kept: { most, ms } = KEPT,
}: CandidateDeps): FindCandidates {
  const kept = new LRUCache<string, readonly Entry[]>({ max: most, ttl: ms });
  const merger = new Merger();
  const superIds = superCelebrityIds(superCelebrityFrom);

  async function postsOf(request: CandidateRequest, celebrities: readonly string[]): Promise<(readonly Entry[])[]> {
    const supers = request.fresh || celebrities.length === 0 ? new Set<string>() : await superIds(request.primary);
    const known = new Map(
      celebrities.flatMap((id) => {
        const entries = supers.has(id) ? kept.get(id) : undefined;
        return entries === undefined ? [] : [[id, entries] as const];
      }),
    );
    const chosen =
      celebrities.length > FEED.celebritiesMerged ? await newestOf(request, celebrities, known) : celebrities;
    const asked = chosen.filter((id) => !known.has(id));
    const obtained = await readCelebrities(indexes, request, asked);
    for (const [i, id] of asked.entries()) {
      const entries = obtained[i]?.entries ?? [];
      known.set(id, entries);
      if (supers.has(id)) kept.set(id, entries);
    }
    return chosen.map((id) => known.get(id) ?? []);
  }

  // Of a viewer who follows more celebrities than are merged, only the newest post of each is looked at first.
  async function newestOf(
    request: CandidateRequest,
    celebrities: readonly string[],
    known: ReadonlyMap<string, readonly Entry[]>,
  ): Promise<string[]> {
    const asked = celebrities.filter((id) => !known.has(id));
    const heads = await readCelebrities(indexes, request, asked, 1);
    const newest = [
      ...[...known].map(([id, [head]]) => ({ id, head })),
      ...asked.map((id, i) => ({ id, head: heads[i]?.entries[0] })),
    ];
    return newest
      .sort((a, b) => (b.head?.score ?? 0) - (a.head?.score ?? 0))
      .slice(0, FEED.celebritiesMerged)
      .map(({ id }) => id);
  }

  return async (request) => {
    const [feed, followed] = await readFeed(indexes, request);
    const celebrities = followed === undefined ? [] : followed.entries.map(({ id }) => id);
    const pulled = await postsOf(request, celebrities);
    return {
      posts: merger.merged(request.viewer, { feed: feed?.entries ?? [], pulled }, request.now.getTime()),
      from: feed?.from ?? 'miss',
    };
  };
}

// The list is looked up once a minute for all readers. Without it, as when PostgreSQL is away, none is super.
function superCelebrityIds(from: number): (primary: ReadContext) => Promise<ReadonlySet<string>> {
  let last: { ids: Promise<ReadonlySet<string>>; at: number } | undefined;
  const find = (primary: ReadContext) =>
    celebritiesFrom(primary, from).then(
      (ids) => new Set<string>(ids),
      () => new Set<string>(),
    );
  return (primary) => {
    if (last === undefined || performance.now() - last.at > SUPER_LIST_KEPT_MS)
      last = { ids: find(primary), at: performance.now() };
    return last.ids;
  };
}

function readFeed(indexes: IndexReader, { primary, viewer, now, fresh }: CandidateRequest): Promise<ReadIndex[]> {
  const prefix = primary.builds.prefix(homeFeed.name);
  const one = async (found: Promise<Map<string, Entry[]>>) => (await found).get(viewer) ?? [];
  return indexes.read(
    prefix,
    [
      {
        key: keysOf(prefix, homeFeeds.keys)(viewer),
        limit: POSTS.feedEntries,
        compute: () => one(feedsByDefinition(primary, POSTS, [viewer], now)),
      },
      {
        key: keysOf(prefix, FOLLOWED_CELEBRITIES_KEYS)(viewer),
        limit: POSTS.feedEntries,
        compute: () => one(followedCelebritiesByDefinition(primary, [viewer])),
      },
    ],
    { fresh },
  );
}

function readCelebrities(
  indexes: IndexReader,
  { primary, now, fresh }: CandidateRequest,
  celebrities: readonly string[],
  most?: number,
): Promise<ReadIndex[]> {
  const prefix = primary.builds.prefix(celebrityPosts.name);
  const keyOf = keysOf(prefix, celebrityIndexes.keys);
  const source = (id: string): IndexSource => ({
    key: keyOf(id),
    limit: POSTS.authorEntries,
    compute: async () => (await authorIndexesByDefinition(primary, POSTS, [id], now)).get(id) ?? [],
  });
  return indexes.read(prefix, celebrities.map(source), { fresh, ...(most !== undefined && { most }) });
}
