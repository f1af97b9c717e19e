import { LRUCache } from 'lru-cache';
import { recommendableTo } from '../../../projections/queries/feed-rules.ts';
import { followCounts } from '../../../projections/models/follows.ts';
import { popularPosts } from '../../../projections/queries/post-signals.ts';
import type { RankRequest } from './order.ts';
import { rank, spreadAuthors, type Rankable, type Taste } from './ranking.ts';
import { rankableOf } from './signal-cache.ts';

/** How long the list of popular posts is kept. */
export const POPULAR_FOR_MS = 60_000;
const RECOMMENDATIONS = { max: 20_000, ttl: 300_000 };
const POOL = { size: 300, windowMs: 7 * 24 * 3_600_000 };
const RECOMMENDED_AT_MOST = 40;
const FOLLOWING_AT_LEAST = 10;

export type Recommender = {
  /** Popular posts that the viewer may be shown, by accounts that it does not follow, best first. */
  strangersFor(request: RankRequest, taste: Taste): Promise<Rankable[]>;
  /** Up to 40 of them for the home page, spread over authors; none before the viewer follows ten accounts. */
  recommendedTo(request: RankRequest, taste: Taste): Promise<readonly string[]>;
};

/** Recommends out of the 300 most popular posts of the last week, which are looked up again after `popularForMs`. */
export function createRecommender(popularForMs: number): Recommender {
  const recommendations = new LRUCache<string, readonly string[]>(RECOMMENDATIONS);
  const popular = popularCache(popularForMs);

  const strangersFor = async (request: RankRequest, taste: Taste) => {
    const ranked = rank(await popular(request), taste, request.now.getTime());
    const ids = ranked.map(({ id }) => id);
    const allowed = new Set<string>(await recommendableTo(request.read, request.viewer, ids));
    return ranked.filter(({ id }) => allowed.has(id));
  };

  const find = async (request: RankRequest, taste: Taste): Promise<readonly string[]> => {
    const counts = await followCounts(request.read, [request.viewer]);
    if ((counts.get(request.viewer)?.following ?? 0) < FOLLOWING_AT_LEAST) return [];
    const { posts } = spreadAuthors(await strangersFor(request, taste), RECOMMENDED_AT_MOST);
    return posts.slice(0, RECOMMENDED_AT_MOST).map(({ id }) => id);
  };

  return {
    strangersFor,
    recommendedTo: async (request, taste) => {
      const known = recommendations.get(request.viewer);
      if (known !== undefined) return known;
      const found = await find(request, taste);
      recommendations.set(request.viewer, found);
      return found;
    },
  };
}

// One look-up at a time serves all readers; one that failed is not kept.
function popularCache(forMs: number): (request: RankRequest) => Promise<Rankable[]> {
  let last: { posts: Promise<Rankable[]>; at: number } | undefined;
  return ({ read, now }) => {
    if (last !== undefined && performance.now() - last.at < forMs) return last.posts;
    const since = new Date(now.getTime() - POOL.windowMs);
    const found = {
      posts: popularPosts(read, since, POOL.size).then((all) => all.map(rankableOf)),
      at: performance.now(),
    };
    found.posts.catch(() => {
      if (last === found) last = undefined;
    });
    last = found;
    return found.posts;
  };
}
