import { metrics } from '@opentelemetry/api';
import { LRUCache } from 'lru-cache';
import { CircuitBreaker } from '../../infra/process/circuit-breaker.ts';
import type { Route } from '../../infra/http/route.ts';
import type { RedisClient } from '../../infra/redis/redis.ts';
import type { Saturation } from '../../infra/process/saturation.ts';
import type { ChangesHeard } from '../../infra/process/invalidation-source.ts';
import type { ReadContext } from '../../projections/projection.ts';
import { viewerTaste, type ViewerTaste } from '../../projections/queries/viewer-taste.ts';
import type { Presenter } from '../presentation.ts';
import type { ReadRefusal } from '../problem.ts';
import type { Reader } from '../reading.ts';
import { feedRoutes } from '../routes/feed.ts';
import { trayRoutes } from '../routes/stories-feed.ts';
import { createCandidateFinder, type CandidateDeps } from './candidates/home-candidates.ts';
import { IndexReader } from './candidates/index-reader.ts';
import { createRanker, type RankerOptions } from './ranking/ranker.ts';
import { createFeedSessions } from './cache/sessions.ts';
import { askedFacts, KeptFacts } from './cache/fact-cache.ts';
import { createHydration } from './page/visible-posts.ts';

export type FeedParts = {
  readonly reader: Reader;
  readonly present: Presenter;
  /** The server that the models are written on: feeds are computed there. */
  readonly primary: ReadContext['sql'];
  readonly redis: RedisClient;
  /**
   * Hears what changes in the models; without it they are asked for everything each time. Only where `reader` reads the
   * server that it listens to.
   */
  readonly changes?: ChangesHeard;
  /** Hears what changes of the keys that `redis` reads; without it Redis is asked each time. */
  readonly keys?: ChangesHeard;
  readonly superCelebrityFrom: number;
  /** How many indexes of super celebrities are kept in this process, and for how long; default 200 for a second. */
  readonly superCelebritiesKept?: CandidateDeps['kept'];
  readonly saturation: Pick<Saturation, 'now'>;
  readonly now: () => Date;
  /** How long Redis may take for an answer, default 50 ms: what it does not give at once is computed. */
  readonly redisTimeoutMs?: number;
  /** By default ranking may take 50 ms, and what is popular is remembered for a minute. */
  readonly ranking?: RankerOptions;
  /** How long Redis is left alone after failures in a row; default 30 s. */
  readonly circuitRestMs?: number;
};

const REDIS_TIMEOUT_MS = 50;
const CIRCUIT = { name: 'feed-redis', failures: 5, attempts: 3, pauseMs: 10 };
const REST_MS = 30_000;
const TASTES = { max: 20_000, ttl: 3_600_000 };

/** The routes of feeds and trays, over one Redis behind one circuit breaker. */
export function assembleFeeds(parts: FeedParts): Route<ReadRefusal>[] {
  const {
    redis,
    changes,
    keys,
    superCelebrityFrom,
    superCelebritiesKept,
    ranking,
    redisTimeoutMs = REDIS_TIMEOUT_MS,
    circuitRestMs = REST_MS,
    ...shared
  } = parts;
  const circuit = new CircuitBreaker({ ...CIRCUIT, timeoutMs: redisTimeoutMs, halfOpenAfterMs: circuitRestMs });
  const indexes = new IndexReader({ redis, circuit, heard: keys });
  const tasteOf = rememberedTastes();
  showWhatIsHeard({ postgresql: changes, redis: keys });
  return [
    ...feedRoutes({
      ...shared,
      find: createCandidateFinder({
        indexes,
        superCelebrityFrom,
        ...(superCelebritiesKept !== undefined && { kept: superCelebritiesKept }),
      }),
      ranker: createRanker(tasteOf, ranking),
      sessions: createFeedSessions({ redis, circuit }),
      hydration: createHydration(changes === undefined ? askedFacts : new KeptFacts(changes).of, changes),
    }),
    ...trayRoutes({ ...shared, indexes, tasteOf }),
  ];
}

function showWhatIsHeard(sources: Readonly<Record<string, { readonly complete: boolean } | undefined>>): void {
  const gauge = metrics.getMeter('shutterlog').createObservableGauge('feed_changes_heard', {
    description:
      'Whether changes of what feeds are made of are heard (1), so that it may be kept, or it is asked for each time (0)',
  });
  gauge.addCallback((result) => {
    for (const [source, heard] of Object.entries(sources)) result.observe(heard?.complete === true ? 1 : 0, { source });
  });
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
