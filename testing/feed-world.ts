import { setTimeout as delay } from 'node:timers/promises';
import type { AccountId } from '../domain/ids.ts';
import type { Pool, Sql } from '../infra/postgres.ts';
import { KeyWatch } from '../infra/redis/key-watch.ts';
import { openRedis, whenRedisReady, type RedisClient } from '../infra/redis/redis.ts';
import { ChangesListener } from '../projections/runner/invalidation-listener.ts';
import { codeVersions, laneProjections } from '../projections/catalog.ts';
import { createLanes } from '../projections/lanes/lane-engine.ts';
import type { Lanes } from '../projections/lanes/lanes.ts';
import { assembleFeeds, type FeedParts } from '../read-api/feed/assemble.ts';
import { eventually, type Through } from './projector-world.ts';
import { openReadWorld, type ReadWorld } from './read-world.ts';
import { createTestRedis, type TestRedis } from './redis.ts';

export type FeedAnswer = {
  readonly status: number;
  readonly quality: string | null;
  readonly cache: string | null;
  readonly ids: string[];
  readonly next: string | null;
  readonly session: string;
  readonly body: Record<string, unknown>;
};

/** The read API with feeds and trays, over lanes and a Redis of its own. */
export type FeedWorld = ReadWorld & {
  readonly redis: RedisClient;
  readonly lanes: Lanes;
  /** Clock of the feeds; tests may move it. */
  readonly clock: { now: Date };
  /** How often a feed was computed from PostgreSQL. */
  readonly computed: { feeds: number };
  /** How busy the process claims to be. */
  readonly load: { saturation: number };
  /** What is wrong with PostgreSQL for the feeds: each statement takes longer, those that hold a text fail. */
  readonly trouble: { delayMs: number; failing: string | undefined };
  feed(
    viewer: AccountId,
    query?: string,
    options?: { path?: string; headers?: Record<string, string> },
  ): Promise<FeedAnswer>;
  /** Waits until the lanes have handled all that was told. */
  settled(): Promise<void>;
};

export type FeedWorldOptions = Partial<
  Pick<FeedParts, 'redisTimeoutMs' | 'circuitRestMs' | 'ranking' | 'superCelebrityFrom' | 'superCelebritiesKept'>
> & {
  /** Opens what readers reach Redis by, such as a client through a proxy; lanes use the server itself. */
  readonly readerRedis?: (url: string) => Promise<RedisClient>;
  /** The Redis, by default what `createTestRedis` gives. */
  readonly openServer?: () => Promise<TestRedis>;
  /**
   * Readers keep what they have read until they hear that it changed, as the read API does; by default they ask each
   * time.
   */
  readonly keeping?: boolean;
  /** What the pool goes through; by default straight to the server. */
  readonly through?: Through;
};

// A machine that is busy with other tests is no reason to answer otherwise.
const UNHURRIED = {
  redisTimeoutMs: 5_000,
  circuitRestMs: 30_000,
  ranking: { budgetMs: 10_000, popularForMs: 0 },
  superCelebrityFrom: 1_000_000,
};

/** Opens the world. */
export async function openFeedWorld({
  readerRedis,
  openServer = createTestRedis,
  keeping = false,
  through,
  ...options
}: FeedWorldOptions = {}): Promise<FeedWorld> {
  const server = await openServer();
  const redis = openRedis(server.url);
  await whenRedisReady(redis, 10_000);
  const readers = (await readerRedis?.(server.url)) ?? openRedis(server.url);
  await whenRedisReady(readers, 5_000);
  const clock = { now: new Date() };
  const load = { saturation: 0 };
  const computed = { feeds: 0 };
  const trouble: FeedWorld['trouble'] = { delayMs: 0, failing: undefined };
  const keys = keeping ? KeyWatch.over(readers) : undefined;
  let lanes: Lanes | undefined;
  const world = await openReadWorld(
    async (base, { reader, present }) => {
      const fed = createLanes({
        ...base,
        redis,
        projections: laneProjections,
        versions: codeVersions,
        now: () => clock.now,
      });
      await fed.start();
      lanes = fed;
      const sql = troubled(base.pool, trouble, computed);
      const changes = keeping ? new ChangesListener(base.databaseUrl) : undefined;
      changes?.start();
      await eventually('readers hear of changes', () => changes?.complete !== false && keys?.complete !== false);
      const routes = assembleFeeds({
        ...UNHURRIED,
        ...options,
        reader: {
          open: async (...asked) => {
            const reading = await reader.open(...asked);
            return { ...reading, read: { ...reading.read, sql } };
          },
        },
        present,
        primary: sql,
        redis: readers,
        ...(changes !== undefined && { changes }),
        ...(keys !== undefined && { keys }),
        saturation: { now: () => load.saturation },
        now: () => clock.now,
      });
      return {
        routes,
        close: async () => {
          await changes?.close();
          await fed.close();
        },
      };
    },
    { through },
  );
  if (lanes === undefined) throw new Error('the lanes did not start');
  const fed = lanes;
  return {
    ...world,
    redis,
    clock,
    load,
    computed,
    trouble,
    lanes: fed,
    feed: async (viewer, query = '', { path = '/v1/feed', headers: sent } = {}) => {
      const { status, headers, body } = await world.get(`${path}${query}`, viewer, sent);
      const {
        posts = [],
        pagination,
        feed_session_id,
      } = body as {
        posts?: { post_id: string }[];
        pagination?: { next_cursor: string | null };
        feed_session_id?: string;
      };
      return {
        status,
        quality: headers.get('x-feed-quality'),
        cache: headers.get('x-cache-status'),
        ids: posts.map(({ post_id }) => post_id),
        next: pagination?.next_cursor ?? null,
        session: feed_session_id ?? '',
        body: body as Record<string, unknown>,
      };
    },
    settled: async () => {
      const head = await world.store.head();
      await eventually(
        'the lanes pass the head of the log',
        () => fed.fed.length >= laneProjections.length && fed.fed.every(({ position }) => position >= head),
      );
    },
    close: async () => {
      await world.close();
      await keys?.close();
      readers.disconnect();
      redis.disconnect();
      await server.close();
    },
  };
}

/** A pool with troubles, which counts the queries that compute feeds. */
function troubled(pool: Pool, trouble: FeedWorld['trouble'], computed: { feeds: number }): Sql {
  return new Proxy(pool, {
    get: (target, name) => {
      if (name !== 'query') return Reflect.get(target, name);
      return async (...args: Parameters<Pool['query']>) => {
        const asked = JSON.stringify(args[0]);
        if (asked.includes('as viewer (id)')) computed.feeds += 1;
        if (trouble.delayMs > 0) await delay(trouble.delayMs);
        if (trouble.failing !== undefined && asked.includes(trouble.failing))
          throw new Error('the test wants this statement to fail');
        return target.query(...args);
      };
    },
  });
}
