import type { AccountId } from '../domain/ids.ts';
import type { Pool, Sql } from '../infra/postgres.ts';
import { openRedis, whenRedisReady, type RedisClient } from '../infra/redis.ts';
import { codeVersions, laneProjections } from '../projections/catalog.ts';
import { createLanes } from '../projections/lane-engine.ts';
import type { Lanes } from '../projections/lanes.ts';
import { assembleFeeds } from '../read-api/feed/assemble.ts';
import { eventually } from './projector-world.ts';
import { openReadWorld, type ReadWorld } from './read-world.ts';
import { createTestRedis } from './redis.ts';

export type FeedAnswer = { readonly status: number; readonly quality: string | null; readonly cache: string | null; readonly ids: string[]; readonly next: string | null; readonly session: string; readonly body: Record<string, unknown> };

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
  feed(viewer: AccountId, query?: string, path?: string): Promise<FeedAnswer>;
  /** Waits until the lanes have handled all that was told. */
  settled(): Promise<void>;
};

/** Opens the world. `readerRedis` is the address that readers use, such as a proxy's; lanes use the server itself. */
export async function openFeedWorld(options: { readerRedis?: (url: string) => Promise<string>; redisTimeoutMs?: number; superCelebrityFrom?: number; circuitRestMs?: number } = {}): Promise<FeedWorld> {
  const server = await createTestRedis();
  const redis = openRedis(server.url);
  await whenRedisReady(redis, 5_000);
  const readers = openRedis(await options.readerRedis?.(server.url) ?? server.url, { commandTimeoutMs: options.redisTimeoutMs ?? 2_000 });
  await whenRedisReady(readers, 5_000);
  const clock = { now: new Date() };
  const load = { saturation: 0 };
  const computed = { feeds: 0 };
  let lanes: Lanes | undefined;
  const world = await openReadWorld(async (base, { reader, present }) => {
    const fed = createLanes({ ...base, redis, projections: laneProjections, versions: codeVersions, now: () => clock.now });
    await fed.start();
    lanes = fed;
    const routes = assembleFeeds({
      reader, present, primary: counting(base.pool, computed), redis: readers, superCelebrityFrom: options.superCelebrityFrom ?? 1_000_000,
      saturation: { now: () => load.saturation }, now: () => clock.now, circuitRestMs: options.circuitRestMs ?? 30_000,
    });
    return { routes, close: () => fed.close() };
  });
  if (lanes === undefined) throw new Error('the lanes did not start');
  const fed = lanes;
  return {
    ...world, redis, clock, load, computed,
    lanes: fed,
    feed: async (viewer, query = '', path = '/v1/feed') => {
      const { status, headers, body } = await world.get(`${path}${query}`, viewer);
      const { posts = [], pagination, feed_session_id } = body as { posts?: { post_id: string }[]; pagination?: { next_cursor: string | null }; feed_session_id?: string };
      return { status, quality: headers.get('x-feed-quality'), cache: headers.get('x-cache-status'), ids: posts.map(({ post_id }) => post_id), next: pagination?.next_cursor ?? null, session: feed_session_id ?? '', body: body as Record<string, unknown> };
    },
    settled: async () => {
      const head = await world.store.head();
      await eventually('the lanes pass the head of the log', () => fed.fed.length === laneProjections.length && fed.fed.every(({ position }) => position >= head));
    },
    close: async () => {
      await world.close();
      readers.disconnect();
      redis.disconnect();
      await server.close();
    },
  };
}

/** A pool that counts the queries which compute feeds. */
function counting(pool: Pool, computed: { feeds: number }): Sql {
  return new Proxy(pool, {
    get: (target, name) => {
      if (name !== 'query') return Reflect.get(target, name);
      return (...args: Parameters<Pool['query']>) => {
        if (JSON.stringify(args[0]).includes('as viewer (id)')) computed.feeds += 1;
        return target.query(...args);
      };
    },
  });
}
