import type { AccountId } from '../../../domain/ids.ts';
import type { ReadContext } from '../../../projections/projection.ts';
import type { Candidate } from '../candidates/home-candidates.ts';
import { KeptOrders } from './order-cache.ts';
import type { Order, RankRequest } from './order.ts';
import { rank, spreadAuthors, withRecommendations, type Spread, type Taste } from './ranking.ts';
import { createRecommender, POPULAR_FOR_MS, type Recommender } from './recommender.ts';
import { SignalCache } from './signal-cache.ts';
import type { Ranked } from '../cache/sessions.ts';

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
const NO_TASTE: Taste = { authors: new Map(), tags: new Map() };

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
  { budgetMs = BUDGET_MS, popularForMs = POPULAR_FOR_MS }: RankerOptions = {},
): Ranker {
  const signals = new SignalCache();
  const recommender = createRecommender(popularForMs);
  const orders = new KeptOrders();
  return {
    home: async (request, candidates, { mix, fresh }) => {
      const last = fresh ? undefined : orders.find(request, candidates, mix);
      if (last !== undefined) return last;
      const until = performance.now() + budgetMs;
      const taste = tasteOf(request.read, request.viewer, request.now).catch(() => undefined);
      const recommended = mix ? recommendedBy(recommender, request, taste) : Promise.resolve([]);
      const spread = await inTime(
        until,
        taste.then((known) => rankHome(signals, request, candidates, known ?? NO_TASTE)),
      );
      if (spread === undefined) return byTime(candidates);
      const wanted = await inTime(until, recommended);
      const order = mixed(spread, wanted ?? []);
      // What failed, came too late or is not known of every post yet is in the next one.
      const isComplete = spread.whole && wanted !== undefined && (await taste) !== undefined;
      if (isComplete) orders.keep(request, candidates, { mix, order });
      return order;
    },
    explore: async (request) => {
      const taste = await tasteOf(request.read, request.viewer, request.now).catch(() => NO_TASTE);
      const { posts, relaxedFrom } = spreadAuthors(await recommender.strangersFor(request, taste), request.page);
      return { ranked: posts.map(({ id }) => ({ id, recommended: true })), relaxedFrom, quality: 'normal' };
    },
  };
}

function recommendedBy(
  recommender: Recommender,
  request: RankRequest,
  taste: Promise<Taste | undefined>,
): Promise<readonly string[] | undefined> {
  return taste.then((known) => recommender.recommendedTo(request, known ?? NO_TASTE)).catch(() => undefined);
}

type RankedHome = Spread & {
  /** Whether something is known of every candidate. */
  readonly whole: boolean;
};

async function rankHome(
  signals: SignalCache,
  request: RankRequest,
  candidates: readonly Candidate[],
  taste: Taste,
): Promise<RankedHome> {
  const rankables = await signals.of(request.read, candidates);
  const best = rank(rankables, taste, request.now.getTime());
  const chosen = new Set(best);
  const ordered = [...best, ...rankables.filter((one) => !chosen.has(one))];
  return { ...spreadAuthors(ordered, request.page), whole: rankables.length === candidates.length };
}

function byTime(candidates: readonly Candidate[]): Order {
  const ranked = candidates.map(({ id }) => ({ id, recommended: false }));
  return { ranked, relaxedFrom: candidates.length, quality: 'degraded' };
}

function mixed(spread: Spread, recommended: readonly string[]): Order {
  const extra = new Set(recommended);
  for (const { id } of spread.posts) extra.delete(id);
  const ids = withRecommendations(
    spread.posts.map(({ id }) => id),
    [...extra],
  );
  const ranked = ids.map((id) => ({ id, recommended: extra.has(id) }));
  return { ranked, relaxedFrom: placeIn(ranked, spread), quality: 'normal' };
}

function placeIn(mixed: readonly Ranked[], { posts, relaxedFrom }: Spread): number {
  const first = posts[relaxedFrom];
  return first === undefined ? mixed.length : mixed.findIndex(({ id }) => id === first.id);
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
