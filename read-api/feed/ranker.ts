import { LRUCache } from 'lru-cache';
import type { AccountId } from '../../domain/ids.ts';
import { recommendableTo } from '../../projections/feed-rules.ts';
import { followCounts } from '../../projections/follows.ts';
import { popularPosts, postSignals, type PostSignals } from '../../projections/post-signals.ts';
import type { ReadContext } from '../../projections/projection.ts';
import type { Candidate } from './home-candidates.ts';
import { engagementOf, newestFirst, rank, spreadAuthors, withRecommendations, type Rankable, type Taste } from './ranking.ts';
import type { Ranked } from './sessions.ts';

export type RankRequest = { readonly read: ReadContext; readonly viewer: AccountId; readonly now: Date; readonly page: number };

/** An order to show posts in; `degraded` when it is by time alone because ranking failed or took too long. */
export type Order = { readonly ranked: Ranked[]; readonly quality: 'normal' | 'degraded' };

export type Ranker = {
  /** Orders the candidates of a home page, the best 200 by rank and the others behind them by time; recommendations are mixed in when `mix` says so. */
  home(request: RankRequest, candidates: readonly Candidate[], options: { mix: boolean }): Promise<Order>;
  /** Popular posts by accounts that the viewer does not follow. */
  explore(request: RankRequest): Promise<Order>;
};

const BUDGET_MS = 50;
const SIGNALS = { max: 200_000, freshMs: 30_000 };
const RECOMMENDATIONS = { max: 5_000, ttl: 60_000 };
const POOL = { size: 300, windowMs: 7 * 24 * 3_600_000, freshMs: 60_000 };
const RECOMMENDED_AT_MOST = 40;
const FOLLOWING_AT_LEAST = 10;
const NO_TASTE: Taste = { authors: new Map(), tags: new Map() };

type Known = { readonly rankable: Rankable; readonly at: number };

/** What a viewer likes; remembered for a while. */
export type TasteOf = (read: ReadContext, viewer: AccountId, now: Date) => Promise<Taste>;

/** Ranks by what it remembers of posts and viewers; counts may be half a minute old, taste an hour. */
export function createRanker(tasteOf: TasteOf): Ranker {
  const signals = new SignalCache();
  const recommendations = new LRUCache<string, readonly string[]>(RECOMMENDATIONS);
  let pool: { posts: Promise<Rankable[]>; at: number } | undefined;

  const popular = ({ read, now }: RankRequest) => {
    if (pool !== undefined && performance.now() - pool.at < POOL.freshMs) return pool.posts;
    const fresh = { posts: popularPosts(read, new Date(now.getTime() - POOL.windowMs), POOL.size).then((all) => all.map(rankableOf)), at: performance.now() };
    fresh.posts.catch(() => { if (pool === fresh) pool = undefined; });
    pool = fresh;
    return fresh.posts;
  };
  const strangersFor = async (request: RankRequest, taste: Taste) => {
    const ranked = rank(await popular(request), taste, request.now.getTime());
    const allowed = new Set<string>(await recommendableTo(request.read, request.viewer, ranked.map(({ id }) => id)));
    return ranked.filter(({ id }) => allowed.has(id));
  };
  const recommendedTo = async (request: RankRequest, taste: Taste): Promise<readonly string[]> => {
    const known = recommendations.get(request.viewer);
    if (known !== undefined) return known;
    const counts = await followCounts(request.read, [request.viewer]);
    const enough = (counts.get(request.viewer)?.following ?? 0) >= FOLLOWING_AT_LEAST;
    const found = enough ? spreadAuthors(await strangersFor(request, taste), RECOMMENDED_AT_MOST).slice(0, RECOMMENDED_AT_MOST).map(({ id }) => id) : [];
    recommendations.set(request.viewer, found);
    return found;
  };
  const rankHome = async (request: RankRequest, candidates: readonly Candidate[], mix: boolean): Promise<Ranked[]> => {
    const taste = await tasteOf(request.read, request.viewer, request.now).catch(() => NO_TASTE);
    const rankables = await signals.of(request.read, candidates);
    const best = rank(rankables, taste, request.now.getTime());
    const rest = without(rankables, best).sort(newestFirst);
    const ranked = spreadAuthors([...best, ...rest], request.page).map(({ id }) => id);
    const extra = mix ? new Set(await recommendedTo(request, taste).catch(() => [])) : new Set<string>();
    for (const id of ranked) extra.delete(id);
    return withRecommendations(ranked, [...extra]).map((id) => ({ id, recommended: extra.has(id) }));
  };

  return {
    home: async (request, candidates, { mix }) => {
      const ranked = await within(BUDGET_MS, rankHome(request, candidates, mix));
      return ranked === undefined ? { ranked: candidates.map(({ id }) => ({ id, recommended: false })), quality: 'degraded' } : { ranked, quality: 'normal' };
    },
    explore: async (request) => {
      const taste = await tasteOf(request.read, request.viewer, request.now).catch(() => NO_TASTE);
      const ranked = spreadAuthors(await strangersFor(request, taste), request.page);
      return { ranked: ranked.map(({ id }) => ({ id, recommended: true })), quality: 'normal' };
    },
  };
}

/** What is known of posts; what grew old is still used while it is looked up again behind the answer. */
class SignalCache {
  readonly #known = new LRUCache<string, Known>({ max: SIGNALS.max });
  readonly #stale = new Set<string>();
  #refreshing = false;

  async of(read: ReadContext, candidates: readonly Candidate[]): Promise<Rankable[]> {
    const now = performance.now();
    const found: Rankable[] = [];
    const missing: string[] = [];
    for (const { id } of candidates) {
      const known = this.#known.get(id);
      if (known === undefined) missing.push(id);
      else {
        found.push(known.rankable);
        if (now - known.at > SIGNALS.freshMs) this.#stale.add(id);
      }
    }
    if (this.#stale.size > 0) this.#refresh(read);
    if (missing.length > 0) found.push(...await this.#load(read, missing));
    return found;
  }

  async #load(read: ReadContext, ids: readonly string[]): Promise<Rankable[]> {
    const rankables = (await postSignals(read, ids)).map(rankableOf);
    for (const rankable of rankables) this.#known.set(rankable.id, { rankable, at: performance.now() });
    return rankables;
  }

  #refresh(read: ReadContext): void {
    if (this.#refreshing) return;
    this.#refreshing = true;
    const ids = [...this.#stale].slice(0, 1_000);
    for (const id of ids) this.#stale.delete(id);
    // What cannot be refreshed now is asked for again by the next request.
    this.#load(read, ids).catch(() => undefined).finally(() => { this.#refreshing = false; });
  }
}

function without(all: readonly Rankable[], taken: readonly Rankable[]): Rankable[] {
  const ids = new Set(taken.map(({ id }) => id));
  return all.length === ids.size ? [] : all.filter(({ id }) => !ids.has(id));
}

function rankableOf({ post_id, author_id, published_ms, tags, ...counts }: PostSignals): Rankable {
  return { id: post_id, author: author_id, at: published_ms, tags, engagement: engagementOf(counts) };
}

/** The result of `work`, or undefined when it fails or is not there in time; it then ends by itself. */
async function within<T>(limitMs: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<undefined>((resolve) => { timer = setTimeout(() => { resolve(undefined); }, limitMs); });
  try {
    return await Promise.race([work.catch(() => undefined), limit]);
  } finally {
    clearTimeout(timer);
  }
}
