import { LRUCache } from 'lru-cache';
import { FEED } from '../../domain/limits.ts';
import type { AccountId } from '../../domain/ids.ts';
import type { Entry } from '../../infra/sorted-indexes.ts';
import { celebritiesFrom } from '../../projections/celebrity-standing.ts';
import { celebrityIndexes } from '../../projections/celebrity-posts.ts';
import { celebrityPosts } from '../../projections/celebrity-posts.ts';
import type { IndexSource, Obtained } from '../../projections/computed-index.ts';
import { authorIndexesByDefinition, feedsByDefinition, POSTS } from '../../projections/feed-definition.ts';
import { FOLLOWED_CELEBRITIES_KEYS, followedCelebritiesByDefinition } from '../../projections/followed-celebrities.ts';
import { homeFeed, homeFeeds } from '../../projections/home-feed.ts';
import { keysOf } from '../../projections/lane-keys.ts';
import type { ReadContext } from '../../projections/projection.ts';
import type { IndexReader } from './index-reader.ts';
import { newestFirst } from './ranking.ts';

/** A post that may be on the viewer's home page. */
export type Candidate = { readonly id: string; readonly at: number };

/** The candidates, newest first, and whether the viewer's feed was there or had to be computed. */
export type Candidates = { readonly posts: readonly Candidate[]; readonly from: 'hit' | 'miss' };

export type CandidateDeps = {
  readonly indexes: IndexReader;
  /** From so many followers on a celebrity's index is kept in this process for a second. */
  readonly superCelebrityFrom: number;
};

/** `primary` must not lag behind what lanes have written; `fresh` bypasses what this process remembers. */
export type CandidateRequest = { readonly primary: ReadContext; readonly viewer: AccountId; readonly now: Date; readonly fresh: boolean };

export type FindCandidates = (request: CandidateRequest) => Promise<Candidates>;

const SUPER_CELEBRITIES_KEPT = 200;
const SUPER_KEPT_MS = 1_000;
const SUPER_LIST_KEPT_MS = 60_000;

/**
 * Finds what a home page is made of: the viewer's feed, and the posts of the celebrities that it follows, of at most 50
 * of them, those with the newest posts. A post that is in both, as during a hand-over, comes once.
 */
export function createCandidateFinder({ indexes, superCelebrityFrom }: CandidateDeps): FindCandidates {
  const kept = new LRUCache<string, Entry[]>({ max: SUPER_CELEBRITIES_KEPT, ttl: SUPER_KEPT_MS });
  let superCelebrities: { ids: Promise<ReadonlySet<string>>; at: number } | undefined;
  const superIds = (primary: ReadContext) => {
    if (superCelebrities === undefined || performance.now() - superCelebrities.at > SUPER_LIST_KEPT_MS) {
      superCelebrities = { ids: celebritiesFrom(primary, superCelebrityFrom).then((ids) => new Set<string>(ids), () => new Set<string>()), at: performance.now() };
    }
    return superCelebrities.ids;
  };

  async function postsOf(request: CandidateRequest, celebrities: readonly string[]): Promise<Entry[]> {
    const supers = request.fresh || celebrities.length === 0 ? new Set<string>() : await superIds(request.primary);
    const remembered = celebrities.flatMap((id) => (supers.has(id) ? [{ id, entries: kept.get(id) }] : [])).filter(({ entries }) => entries !== undefined);
    const asked = celebrities.filter((id) => !remembered.some((one) => one.id === id));
    const obtained = await readNewest(indexes, request, asked);
    for (const [i, id] of asked.entries()) if (supers.has(id)) kept.set(id, obtained[i]?.entries ?? []);
    return [...remembered.flatMap(({ entries = [] }) => entries), ...obtained.flatMap(({ entries }) => entries)];
  }

  return async (request) => {
    const [feed, followed] = await readFeed(indexes, request);
    const celebrities = followed === undefined ? [] : followed.entries.map(({ id }) => id);
    const pulled = await postsOf(request, celebrities);
    return { posts: merged(feed?.entries ?? [], pulled, request.now), from: feed?.from ?? 'miss' };
  };
}

function readFeed(indexes: IndexReader, { primary, viewer, now }: CandidateRequest): Promise<Obtained[]> {
  const prefix = primary.builds.prefix(homeFeed.name);
  const one = async (found: Promise<Map<string, Entry[]>>) => (await found).get(viewer) ?? [];
  return indexes.read(prefix, [
    { key: keysOf(prefix, homeFeeds.keys)(viewer), limit: POSTS.feedEntries, compute: () => one(feedsByDefinition(primary, POSTS, [viewer], now)) },
    { key: keysOf(prefix, FOLLOWED_CELEBRITIES_KEYS)(viewer), limit: POSTS.feedEntries, compute: () => one(followedCelebritiesByDefinition(primary, [viewer])) },
  ]);
}

// Of a viewer who follows more celebrities than are merged, the newest post of each is looked at first.
async function readNewest(indexes: IndexReader, { primary, now }: CandidateRequest, celebrities: readonly string[]): Promise<Obtained[]> {
  const prefix = primary.builds.prefix(celebrityPosts.name);
  const keyOf = keysOf(prefix, celebrityIndexes.keys);
  const source = (id: string): IndexSource => ({
    key: keyOf(id),
    limit: POSTS.authorEntries,
    compute: async () => (await authorIndexesByDefinition(primary, POSTS, [id], now)).get(id) ?? [],
  });
  const all = await indexes.read(prefix, celebrities.map(source));
  if (celebrities.length <= FEED.celebritiesMerged) return all;
  const newest = (one: Obtained) => one.entries[0]?.score ?? 0;
  const least = all.map(newest).sort((a, b) => b - a)[FEED.celebritiesMerged - 1] ?? 0;
  return all.map((one) => (newest(one) >= least ? one : { ...one, entries: [] }));
}

function merged(feed: readonly Entry[], pulled: readonly Entry[], now: Date): Candidate[] {
  const since = now.getTime() - FEED.windowMs;
  const byId = new Map<string, Candidate>();
  for (const { id, score } of feed) if (score > since) byId.set(id, { id, at: score });
  if (pulled.length === 0) return [...byId.values()];
  for (const { id, score } of pulled) if (score > since) byId.set(id, { id, at: score });
  return [...byId.values()].sort(newestFirst);
}
