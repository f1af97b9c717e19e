import type { DomainEvent } from '../domain/event-log.ts';
import { inTransaction, openPool, type Pool } from '../infra/postgres.ts';
import { openRedis, whenRedisReady, type RedisClient } from '../infra/redis/redis.ts';
import { createSortedIndexes } from '../infra/redis/sorted-indexes.ts';
import { accounts } from '../projections/models/accounts.ts';
import { createBuild, quoted, type Build } from '../projections/builds/build-store.ts';
import { follows } from '../projections/models/follows.ts';
import { BUCKETS } from '../projections/lane-keys.ts';
import type { LaneContext } from '../projections/lane-projection.ts';
import { posts } from '../projections/models/posts.ts';
import type { PostgresProjection, ReadContext } from '../projections/projection.ts';
import { relationships } from '../projections/models/relationships.ts';
import { prepareProjectionTables } from '../projections/builds/schema.ts';
import { stories } from '../projections/models/stories.ts';
import { storyViews } from '../projections/models/story-views.ts';
import { createTestDatabase } from './postgres.ts';
import { emptyRedis } from './redis-contents.ts';
import { createTestRedis } from './redis.ts';

const MODELS: readonly PostgresProjection[] = [accounts, follows, relationships, posts, stories, storyViews];
const STORE_ID = '00000000-0000-4000-8000-000000000001';

/** The models that feeds are defined over, and a Redis, for tests that drive lanes by hand. */
export type FeedStores = {
  readonly pool: Pool;
  readonly redis: RedisClient;
  readonly redisUrl: string;
  readonly read: ReadContext;
  /** A context for a build with its own key prefix. */
  context(prefix: string, now: () => Date): LaneContext;
  /** Applies events to all models, as the projector's PostgreSQL side does. */
  project(events: readonly DomainEvent[]): Promise<void>;
  /** Empties the models and Redis. */
  clear(): Promise<void>;
  close(): Promise<void>;
};

/** Opens stores of their own for one test file. */
export async function openFeedStores(): Promise<FeedStores> {
  const [database, server] = await Promise.all([createTestDatabase(), createTestRedis()]);
  const pool = openPool(database.url, { size: 8, name: 'feed-test' });
  await prepareProjectionTables(pool);
  const builds = new Map<string, Build>();
  for (const projection of MODELS)
    builds.set(projection.name, await createBuild(pool, { projection, storeId: STORE_ID, state: 'building' }));
  const buildOf = (name: string) => {
    const build = builds.get(name);
    if (build === undefined) throw new Error(`the test has no model ${name}`);
    return build;
  };
  const read: ReadContext = {
    sql: pool,
    builds: {
      schema: (name) => quoted(buildOf(name).location),
      prefix: (name) => buildOf(name).location,
      id: (name) => buildOf(name).id,
    },
  };
  const redis = openRedis(server.url);
  await whenRedisReady(redis, 10_000);
  return {
    pool,
    redis,
    read,
    redisUrl: server.url,
    context: (prefix, now) => ({
      read,
      prefix,
      now,
      indexes: createSortedIndexes(redis, { prefix: `${prefix}:`, buckets: BUCKETS }),
    }),
    project: async (events) => {
      for (const projection of MODELS) {
        const handled = events.filter(({ type }) => projection.handles.includes(type));
        if (handled.length > 0)
          await inTransaction(pool, (tx) => projection.apply(tx, quoted(buildOf(projection.name).location), handled));
      }
    },
    clear: async () => {
      const tables = MODELS.flatMap(({ name, tables: own }) =>
        own.map(({ table }) => `${quoted(buildOf(name).location)}.${table}`),
      );
      await pool.query(`truncate ${tables.join(', ')}`);
      await emptyRedis(redis);
    },
    close: async () => {
      redis.disconnect();
      await pool.end();
      await Promise.all([database.drop(), server.close()]);
    },
  };
}
