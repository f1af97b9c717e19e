import { LRUCache } from 'lru-cache';
import { CircuitBreaker } from '../../infra/circuit-breaker.ts';
import type { Route } from '../../infra/http/route.ts';
import type { RedisClient } from '../../infra/redis.ts';
import type { Saturation } from '../../infra/saturation.ts';
import type { ReadContext } from '../../projections/projection.ts';
import { viewerTaste, type ViewerTaste } from '../../projections/viewer-taste.ts';
import type { Presenter } from '../presentation.ts';
import type { ReadRefusal } from '../problem.ts';
import type { Reader } from '../reading.ts';
import { feedRoutes } from '../routes/feed.ts';
import { trayRoutes } from '../routes/stories-feed.ts';
import { createCandidateFinder } from './home-candidates.ts';
import { IndexReader } from './index-reader.ts';
import { createRanker } from './ranker.ts';
import { createFeedSessions } from './sessions.ts';

export type FeedParts = {
  readonly reader: Reader;
  readonly present: Presenter;
  /** The server that the models are written on: feeds are computed there. */
  readonly primary: ReadContext['sql'];
  /** Give it a short command timeout (FEED_REDIS_TIMEOUT_MS): what Redis does not answer at once is computed. */
  readonly redis: RedisClient;
  readonly superCelebrityFrom: number;
  readonly saturation: Pick<Saturation, 'now'>;
  readonly now: () => Date;
  /** How long Redis is left alone after failures in a row; default 30 s. */
  readonly circuitRestMs?: number;
};

/** How long a feed waits for Redis. */
export const FEED_REDIS_TIMEOUT_MS = 50;
const CIRCUIT = { name: 'feed-redis', failures: 5, attempts: 3, pauseMs: 10 };
const REST_MS = 30_000;
const TASTES = { max: 20_000, ttl: 3_600_000 };

/** The routes of feeds and trays, over one Redis behind one circuit breaker. */
export function assembleFeeds({ redis, superCelebrityFrom, circuitRestMs = REST_MS, ...shared }: FeedParts): Route<ReadRefusal>[] {
  const circuit = new CircuitBreaker({ ...CIRCUIT, halfOpenAfterMs: circuitRestMs });
  const indexes = new IndexReader({ redis, circuit });
  const tasteOf = rememberedTastes();
  return [
    ...feedRoutes({ ...shared, find: createCandidateFinder({ indexes, superCelebrityFrom }), ranker: createRanker(tasteOf), sessions: createFeedSessions({ redis, circuit }) }),
    ...trayRoutes({ ...shared, indexes, tasteOf }),
  ];
}

function rememberedTastes(): typeof viewerTaste {
  const tastes = new LRUCache<string, ViewerTaste>(TASTES);
  return async (read, viewer, now) => {
    const known = tastes.get(viewer);
    if (known !== undefined) return known;
    const taste = await viewerTaste(read, viewer, now);
    tastes.set(viewer, taste);
    return taste;
  };
}
