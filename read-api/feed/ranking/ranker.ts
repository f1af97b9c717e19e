import { LRUCache } from 'lru-cache';
import type { AccountId } from '../../../domain/ids.ts';
import { recommendableTo } from '../../../projections/queries/feed-rules.ts';
import { followCounts } from '../../../projections/models/follows.ts';
import { popularPosts, postSignals, type PostSignals } from '../../../projections/queries/post-signals.ts';
import type { ReadContext } from '../../../projections/projection.ts';
import type { Candidate } from '../candidates/home-candidates.ts';
import { KeptOrders } from './order-cache.ts';
import {
  engagementOf,
  rank,
  spreadAuthors,
  withRecommendations,
  type Rankable,
  type Spread,
  type Taste,
} from './ranking.ts';
import type { Ranked } from '../cache/sessions.ts';

export type RankRequest = {
  readonly read: ReadContext;
  readonly viewer: AccountId;
  readonly now: Date;
  readonly page: number;
};

/**
 * An order to show posts in, of too few authors from `relaxedFrom` on; `degraded` when it is by time alone because
 * ranking failed or took too long.
 */
export type Order = {
  readonly ranked: readonly Ranked[];
  readonly relaxedFrom: number;
  readonly quality: 'normal' | 'degraded';
};

export type Ranker = {
  /**
   * Orders the candidates of a home page, the best 200 by rank and the others behind them by time; recommendations are
   * mixed in when `mix` says so. The same list of candidates gets the same order for half a minute, unless `fresh`.
   */
  home(
    request: RankRequest,
    candidates: readonly Candidate[],
    options: { mix: boolean; fresh: boolean },
  ): Promise<Order>;
  /** Popular posts by accounts that the viewer does not follow. */
  explore(request: RankRequest): Promise<Order>;
};

/**
 * 20 ms for what is known of posts, 30 ms for what the viewer likes: together, because they are looked up side by side.
 */
const BUDGET_MS = 50;
/** About 200 bytes each. */
const SIGNALS = { max: 500_000, refreshAtOnce: 500 };
/**
 * Counts of a new post grow faster than an old one's: they are looked up again after this share of its age, within
 * bounds.
 */
const FRESH = { shareOfAge: 0.01, leastMs: 30_000, mostMs: 900_000 };
const RECOMMENDATIONS = { max: 20_000, ttl: 300_000 };
const POOL = { size: 300, windowMs: 7 * 24 * 3_600_000, freshMs: 60_000 };
const RECOMMENDED_AT_MOST = 40;
const FOLLOWING_AT_LEAST = 10;
const NO_TASTE: Taste = { authors: new Map(), tags: new Map() };

type Known = { readonly rankable: Rankable; readonly freshUntil: number };

/** What a viewer likes; remembered for a while. */
export type TasteOf = (read: ReadContext, viewer: AccountId, now: Date) => Promise<Taste>;

/** How long ranking may take, and how long what is popular is remembered. */
export type RankerOptions = { readonly budgetMs?: number | undefined; readonly popularForMs?: number | undefined };

/**
 * Ranks by what it remembers of posts and viewers: counts may be half a minute old (more for old posts), taste an hour.
 * What is not there within the budget is done without, and is there for the next page.
 */
export function createRanker(
  tasteOf: TasteOf,
  { budgetMs = BUDGET_MS, popularForMs = POOL.freshMs }: RankerOptions = {},
): Ranker {
  const signals = new SignalCache();
  const recommendations = new LRUCache<string, readonly string[]>(RECOMMENDATIONS);
  let pool: { posts: Promise<Rankable[]>; at: number } | undefined;

  const popular = ({ read, now }: RankRequest) => {
    if (pool !== undefined && performance.now() - pool.at < popularForMs) return pool.posts;
    const fresh = {
      posts: popularPosts(read, new Date(now.getTime() - POOL.windowMs), POOL.size).then((all) => all.map(rankableOf)),
      at: performance.now(),
    };
    fresh.posts.catch(() => {
      if (pool === fresh) pool = undefined;
    });
    pool = fresh;
    return fresh.posts;
  };
  const strangersFor = async (request: RankRequest, taste: Taste) => {
    const ranked = rank(await popular(request), taste, request.now.getTime());
    const allowed = new Set<string>(
      await recommendableTo(
        request.read,
        request.viewer,
        ranked.map(({ id }) => id),
      ),
    );
    return ranked.filter(({ id }) => allowed.has(id));
  };
  const recommendedTo = async (request: RankRequest, taste: Taste): Promise<readonly string[]> => {
    const known = recommendations.get(request.viewer);
    if (known !== undefined) return known;
    const counts = await followCounts(request.read, [request.viewer]);
    const enough = (counts.get(request.viewer)?.following ?? 0) >= FOLLOWING_AT_LEAST;
    const found = enough
      ? spreadAuthors(await strangersFor(request, taste), RECOMMENDED_AT_MOST)
          .posts.slice(0, RECOMMENDED_AT_MOST)
          .map(({ id }) => id)
      : [];
    recommendations.set(request.viewer, found);
    return found;
  };
  const rankHome = async (
    request: RankRequest,
    candidates: readonly Candidate[],
    taste: Taste,
  ): Promise<Spread & { whole: boolean }> => {
    const rankables = await signals.of(request.read, candidates);
    const best = rank(rankables, taste, request.now.getTime());
    const chosen = new Set(best);
    return {
      ...spreadAuthors([...best, ...rankables.filter((one) => !chosen.has(one))], request.page),
      whole: rankables.length === candidates.length,
    };
  };

  const kept = new KeptOrders();

  return {
    home: async (request, candidates, { mix, fresh }) => {
      const last = fresh ? undefined : kept.find(request, candidates, mix);
      if (last !== undefined) return last;
      const until = performance.now() + budgetMs;
      const known = tasteOf(request.read, request.viewer, request.now).catch(() => undefined);
      const recommended = mix
        ? known.then((taste) => recommendedTo(request, taste ?? NO_TASTE)).catch(() => undefined)
        : Promise.resolve([]);
      const spread = await inTime(
        until,
        known.then((taste) => rankHome(request, candidates, taste ?? NO_TASTE)),
      );
      if (spread === undefined)
        return {
          ranked: candidates.map(({ id }) => ({ id, recommended: false })),
          relaxedFrom: candidates.length,
          quality: 'degraded',
        };
      const wanted = await inTime(until, recommended);
      const extra = new Set(wanted ?? []);
      for (const { id } of spread.posts) extra.delete(id);
      const mixed = withRecommendations(
        spread.posts.map(({ id }) => id),
        [...extra],
      ).map((id) => ({ id, recommended: extra.has(id) }));
      const order: Order = { ranked: mixed, relaxedFrom: placeIn(mixed, spread), quality: 'normal' };
      // What failed, came too late or is not known of every post yet is in the next one.
      if (spread.whole && wanted !== undefined && (await known) !== undefined)
        kept.keep(request, candidates, { mix, order });
      return order;
    },
    explore: async (request) => {
      const taste = await tasteOf(request.read, request.viewer, request.now).catch(() => NO_TASTE);
      const { posts, relaxedFrom } = spreadAuthors(await strangersFor(request, taste), request.page);
      return { ranked: posts.map(({ id }) => ({ id, recommended: true })), relaxedFrom, quality: 'normal' };
    },
  };
}

function placeIn(mixed: readonly Ranked[], { posts, relaxedFrom }: Spread): number {
  const first = posts[relaxedFrom];
  return first === undefined ? mixed.length : mixed.findIndex(({ id }) => id === first.id);
}

/** What is known of posts; what grew old is still used while it is looked up again behind the answer. */
class SignalCache {
  // Not an LRU: every reader asks for hundreds, and what is asked for often is soon there again.
  readonly #known = new Map<string, Known>();
  readonly #stale = new Set<string>();
  #refreshing = false;

  /** The signals of those candidates that are published, in their order. */
  async of(read: ReadContext, candidates: readonly Candidate[]): Promise<Rankable[]> {
    const first = candidates.map(({ id }) => this.#known.get(id));
    const missing = candidates.filter((_, i) => first[i] === undefined).map(({ id }) => id);
    if (missing.length > 0) await this.#load(read, missing);
    const now = performance.now();
    const found: Rankable[] = [];
    for (const [i, { id }] of candidates.entries()) {
      const known = first[i] ?? this.#known.get(id);
      if (known === undefined) continue;
      found.push(known.rankable);
      if (now > known.freshUntil) this.#stale.add(id);
    }
    if (this.#stale.size > 0) this.#refresh(read);
    return found;
  }

  async #load(read: ReadContext, ids: readonly string[]): Promise<void> {
    for (const signals of await postSignals(read, ids)) {
      const rankable = rankableOf(signals);
      const ageMs = Date.now() - rankable.at;
      this.#known.set(rankable.id, {
        rankable,
        freshUntil: performance.now() + Math.min(FRESH.mostMs, Math.max(FRESH.leastMs, ageMs * FRESH.shareOfAge)),
      });
    }
    for (const id of this.#known.keys()) {
      if (this.#known.size <= SIGNALS.max) break;
      this.#known.delete(id);
    }
  }

  #refresh(read: ReadContext): void {
    if (this.#refreshing) return;
    this.#refreshing = true;
    const ids = [...this.#stale].slice(0, SIGNALS.refreshAtOnce);
    for (const id of ids) this.#stale.delete(id);
    // What cannot be refreshed now is asked for again by the next request.
    this.#load(read, ids)
      .catch(() => undefined)
      .finally(() => {
        this.#refreshing = false;
      });
  }
}

function rankableOf({ post_id, author_id, published_ms, tags, ...counts }: PostSignals): Rankable {
  return { id: post_id, author: author_id, at: published_ms, tags, engagement: engagementOf(counts) };
}

/**
 * The result of `work`, or undefined when it fails or is not there at a time (of performance.now); it then ends by
 * itself.
 */
async function inTime<T>(until: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(
      () => {
        resolve(undefined);
      },
      Math.max(0, until - performance.now()),
    );
  });
  try {
    return await Promise.race([work.catch(() => undefined), limit]);
  } finally {
    clearTimeout(timer);
  }
}
