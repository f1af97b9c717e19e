import { openEventStore, type EventStore, type NewEvent } from '../infra/event-store/event-store.ts';
import type { DomainEvent } from '../domain/event-log.ts';
import type { Position } from '../domain/position.ts';
import { createLog, type Log } from '../infra/process/log.ts';
import type { DataKeys } from '../infra/vault/personal-data.ts';
import { openPool, type Pool } from '../infra/postgres.ts';
import { openRedis, whenRedisReady, type RedisClient } from '../infra/redis/redis.ts';
import { NO_BACKPRESSURE, type Backpressure } from '../projections/feeds/backpressure.ts';
import { celebrityPosts } from '../projections/feeds/celebrity-posts.ts';
import { homeFeed } from '../projections/feeds/home-feed.ts';
import { createLanes } from '../projections/lanes/lane-engine.ts';
import type { OpenLaneFeed } from '../projections/lanes/lane-feed.ts';
import type { LaneProjection } from '../projections/lane-projection.ts';
import type { Lanes } from '../projections/lanes/lanes.ts';
import { postgresProjections } from '../projections/catalog.ts';
import { Runner } from '../projections/runner/runner.ts';
import { storyTray } from '../projections/feeds/story-tray.ts';
import { Supervisor } from '../projections/runner/supervisor.ts';

export type Addresses = { readonly eventStore: string; readonly database: string; readonly redis: string };

/** All models, on PostgreSQL and on Redis, fed in this process. */
export type RunningProjector = {
  readonly lanes: Lanes;
  readonly pool: Pool;
  readonly redis: RedisClient;
  readonly store: EventStore;
  close(): Promise<void>;
};

const MODELS = ['accounts', 'follows', 'relationships', 'posts', 'stories', 'story-views'];
export const LANE_PROJECTIONS: readonly LaneProjection[] = [homeFeed, celebrityPosts, storyTray];
export const VERSIONS = new Map(
  [...postgresProjections, ...LANE_PROJECTIONS].map(({ name, version }) => [name, version]),
);

/** What a feed of lanes other than the default needs. */
export type FeedDeps = {
  readonly databaseUrl: string;
  readonly store: EventStore;
  readonly keys: DataKeys;
  readonly log: Log;
};

const keys: DataKeys = { forAccounts: async () => new Map() };

/**
 * Starts to feed the models that feeds read, and the lanes, from a log without personal data; small groups of events by
 * default.
 */
export async function startLaneProjector(
  at: Addresses,
  options: {
    now: () => Date;
    log?: Log;
    openFeed?: (deps: FeedDeps) => OpenLaneFeed;
    group?: number;
    backpressure?: Backpressure;
    burstRate?: number;
  },
): Promise<RunningProjector> {
  const log = options.log ?? createLog({ process: 'test-projector', level: process.env['TEST_LOG_LEVEL'] ?? 'silent' });
  const store = await openEventStore(at.eventStore);
  const pool = openPool(at.database, { size: 10, name: 'lane-projector', synchronousCommit: false });
  const redis = openRedis(at.redis);
  await whenRedisReady(redis, 5_000);
  const projections = postgresProjections.filter(({ name }) => MODELS.includes(name));
  const runner = new Runner({
    pool,
    keys,
    store,
    log,
    limits: { events: options.group ?? 500, bytes: 1e7 },
    attempts: 3,
    firstDelayMs: 10,
    onPoison: async () => 'stop',
  });
  const supervisor = new Supervisor({ pool, databaseUrl: at.database, store, log, projections, runner });
  await supervisor.start();
  const lanes = createLanes({
    pool,
    databaseUrl: at.database,
    redis,
    store,
    keys,
    log,
    projections: LANE_PROJECTIONS,
    versions: VERSIONS,
    now: options.now,
    backpressure: options.backpressure ?? NO_BACKPRESSURE,
    ...(options.burstRate === undefined ? {} : { burstRate: options.burstRate }),
    ...(options.openFeed === undefined
      ? {}
      : { openFeed: options.openFeed({ databaseUrl: at.database, store, keys, log }) }),
  });
  await lanes.start();
  return {
    lanes,
    pool,
    redis,
    store,
    close: async () => {
      await lanes.close();
      await supervisor.close();
      redis.disconnect();
      await store.close();
      await pool.end();
    },
  };
}

/** Appends events of a made-up history to a real log, in order; gives the position of the last. */
export async function appendHistory(store: EventStore, events: readonly DomainEvent[]): Promise<Position> {
  let position = await store.head();
  for (const event of events) {
    const { id, type, data, meta } = event;
    const stored: NewEvent = {
      id,
      type,
      data: JSON.parse(JSON.stringify(data)),
      metadata: JSON.parse(JSON.stringify(meta)),
    };
    ({ position } = await store.append(`history-${id}`, 'no_stream', [stored]));
  }
  return position;
}
