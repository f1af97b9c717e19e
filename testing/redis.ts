import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startRedisCluster } from './redis-cluster.ts';

export type TestRedis = {
  /**
   * What nobody else uses, as REDIS_URL takes it, empty at first: a `redis://` address whose path is a logical
   * database, or the addresses of a cluster's masters.
   */
  url: string;
  /** Empties the database and gives it back, or ends the cluster; harmless when called twice. */
  close: () => Promise<void>;
};

const CLAIM_TTL_MS = 120_000;
const RENEWAL_MS = 30_000;
const WAIT_FOR_FREE_MS = 60_000;

/** Claims live in database 0 and run out when their holder dies, so a crashed test costs nobody a database for long. */
const CLAIM = `
for n = 1, tonumber(ARGV[1]) - 1 do
  if redis.call('SET', 'shutterlog-test:claim:' .. n, ARGV[2], 'NX', 'PX', ARGV[3]) then return n end
end
return 0`;
const RENEW = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0`;
const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

/**
 * Hands out an empty logical database of the server named by TEST_REDIS_URL (set by `npm test`), one per caller; with
 * TEST_REDIS_TOPOLOGY=cluster (set by the test project of that name) a cluster of three masters, started for the
 * caller. Channels of publish/subscribe and functions are shared by all databases of a server: name them by something
 * unique. Rejects when the variable is missing, or when no database becomes free within a minute.
 */
export async function createTestRedis(): Promise<TestRedis> {
  return onRedisCluster() ? startRedisCluster() : claimDatabase();
}

/** Whether this run of a test is the one on a Redis Cluster. */
export function onRedisCluster(): boolean {
  return process.env['TEST_REDIS_TOPOLOGY'] === 'cluster';
}

async function claimDatabase(): Promise<TestRedis> {
  const server = new URL(serverUrl());
  server.pathname = '/0';
  const claims = new Redis(server.href, { maxRetriesPerRequest: 3 });
  const token = randomUUID();
  try {
    const database = await claim(claims, token);
    const url = new URL(server);
    url.pathname = `/${String(database)}`;
    await empty(url.href);
    return { url: url.href, close: closer({ claims, database, token, url: url.href }) };
  } catch (error) {
    claims.disconnect();
    throw error;
  }
}

type Held = { claims: Redis; database: number; token: string; url: string };

function closer({ claims, database, token, url }: Held): () => Promise<void> {
  const key = `shutterlog-test:claim:${String(database)}`;
  const renewal = setInterval(() => {
    claims.eval(RENEW, 1, key, token, CLAIM_TTL_MS).catch(() => undefined);
  }, RENEWAL_MS);
  renewal.unref();
  let closing: Promise<void> | undefined;
  return () => (closing ??= release());

  async function release(): Promise<void> {
    clearInterval(renewal);
    await empty(url);
    await claims.eval(RELEASE, 1, key, token);
    await claims.quit();
  }
}

async function claim(claims: Redis, token: string): Promise<number> {
  const [, databases] = (await claims.config('GET', 'databases')) as string[];
  const deadline = Date.now() + WAIT_FOR_FREE_MS;
  while (Date.now() < deadline) {
    const database = Number(await claims.eval(CLAIM, 0, databases ?? '16', token, CLAIM_TTL_MS));
    if (database > 0) return database;
    await delay(100);
  }
  throw new Error(
    `no free logical database on ${serverUrl()} after ${String(WAIT_FOR_FREE_MS)} ms: start Redis with more --databases`,
  );
}

async function empty(url: string): Promise<void> {
  const client = new Redis(url, { maxRetriesPerRequest: 3 });
  try {
    await client.flushdb();
  } finally {
    client.disconnect();
  }
}

function serverUrl(): string {
  const url = process.env['TEST_REDIS_URL'];
  if (!url)
    throw new Error('TEST_REDIS_URL is not set: run the tests with `npm test [-- file]`, or name a Redis server there');
  return url;
}
