import type { ReadableLog } from '../../infra/event-store/event-store.ts';
import type { Log } from '../../infra/process/log.ts';
import type { DataKeys } from '../../infra/vault/personal-data.ts';
import type { Pool } from '../../infra/postgres.ts';
import type { RedisClient } from '../../infra/redis/redis.ts';
import { NO_BACKPRESSURE, type Backpressure } from '../feeds/backpressure.ts';
import type { CodeVersions } from '../builds/builds.ts';
import { createPoolFreshness } from '../builds/consistency.ts';
import { createLaneModels } from './lane-models.ts';
import { parkEvent } from './lane-positions.ts';
import type { LaneProjection } from '../lane-projection.ts';
import { openLogFeed, type OpenLaneFeed } from './lane-feed.ts';
import { createLogSource } from './lane-source.ts';
import { Lanes } from './lanes.ts';
import { createPace } from '../feeds/rate-limit.ts';
import { poisonRule, readSettings } from '../builds/settings.ts';

export type LaneEngineOptions = {
  /** On the primary: lanes must see what the models have committed. */
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly redis: RedisClient;
  readonly store: ReadableLog;
  readonly keys: DataKeys;
  readonly log: Log;
  readonly projections: readonly LaneProjection[];
  readonly versions: CodeVersions;
  /** The clock by which entries leave the windows of feeds. */
  readonly now?: () => Date;
  /** How much of fan-out is done; all by default. */
  readonly backpressure?: Backpressure;
  /** Deliveries a second to the parts of audiences beyond 10,000; default 50,000. */
  readonly burstRate?: number;
  /** Default: all lanes inside this process, fed by a subscription to the log. */
  readonly openFeed?: OpenLaneFeed;
};

const BURST_RATE = 50_000;
const LIMITS = { events: 2_000, bytes: 8 * 1024 * 1024 };

/** The lanes of a projector process; `start` and `close` them. */
export function createLanes(options: LaneEngineOptions): Lanes {
  const { pool, databaseUrl, redis, store, keys, log, projections, versions } = options;
  return new Lanes({
    pool,
    store,
    log,
    projections,
    openFeed:
      options.openFeed ??
      ((onChange) =>
        openLogFeed({ databaseUrl, log, source: createLogSource({ store, keys, log, limits: LIMITS }) }, onChange)),
    lanes: {
      pool,
      redis,
      store,
      freshness: createPoolFreshness(pool, new Set()),
      now: options.now ?? (() => new Date()),
      backpressure: options.backpressure ?? NO_BACKPRESSURE,
      pace: createPace(options.burstRate ?? BURST_RATE),
      buildsFor: createLaneModels(pool, versions),
      park: async (build, poison) => {
        const setting = await readSettings(pool);
        if (poisonRule(setting(build.projection), poison.event.id) === 'stop') return false;
        await parkEvent(pool, {
          buildId: build.id,
          projection: build.projection,
          event: poison.event,
          error: poison.message,
          attempts: poison.attempts,
        });
        return true;
      },
    },
  });
}
