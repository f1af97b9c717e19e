import { Redis } from 'ioredis';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { openRedis, whenRedisReady } from '../infra/redis/redis.ts';
import { createTestDatabase } from './postgres.ts';
import { startRedisCluster } from './redis-cluster.ts';
import { createTestRedis } from './redis.ts';

describe('createTestDatabase', () => {
  it('gives every caller an empty database of its own', async () => {
    const [one, two] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    const client = new pg.Client({ connectionString: one.url });
    await client.connect();
    await client.query('CREATE TABLE only_here (id int)');
    const other = new pg.Client({ connectionString: two.url });
    await other.connect();
    expect((await other.query(`SELECT to_regclass('only_here') AS found`)).rows).toEqual([{ found: null }]);
    await client.end();
    await other.end();
    await one.drop();
    await two.drop();
  });

  it('drops a database that still has connections, and a second drop is harmless', async () => {
    const database = await createTestDatabase();
    const client = new pg.Client({ connectionString: database.url });
    client.on('error', () => undefined);
    await client.connect();
    await database.drop();
    await database.drop();
    const again = new pg.Client({ connectionString: database.url });
    await expect(again.connect()).rejects.toThrow('does not exist');
  });
});

describe('createTestRedis', () => {
  it('gives concurrent callers different databases, each empty', async () => {
    const stores = await Promise.all([1, 2, 3, 4, 5].map(() => createTestRedis()));
    expect(new Set(stores.map((store) => store.url)).size).toBe(5);
    const client = new Redis(stores[0]!.url);
    expect(await client.dbsize()).toBe(0);
    await client.set('a', '1');
    const other = new Redis(stores[1]!.url);
    expect(await other.dbsize()).toBe(0);
    client.disconnect();
    other.disconnect();
    await Promise.all(stores.map((store) => store.close()));
  });

  it('empties a database before it is handed out again', async () => {
    const store = await createTestRedis();
    const client = new Redis(store.url);
    await client.set('left behind', '1');
    await store.close();
    expect(await client.dbsize()).toBe(0);
    client.disconnect();
    await store.close();
  });
});

describe('startRedisCluster', () => {
  it.each([
    ['ends', async () => undefined],
    ['is killed first', (kill: () => Promise<void>) => kill()],
  ])('says when it %s that a command crossed slots, although its caller did not', async (_, before) => {
    const cluster = await startRedisCluster();
    const client = openRedis(cluster.url);
    await whenRedisReady(client, 10_000);
    await client.mget('{1}a', '{1}b');
    await client.mget('{1}a', '{2}b').catch(() => undefined);
    client.disconnect();
    await before(() => cluster.kill());
    await expect(cluster.close()).rejects.toThrow(/crossed slots: 1 at port/);
    await cluster.close();
  });
});
