import { afterAll, beforeAll, expect, it } from 'vitest';
import { Position, START_OF_LOG } from '../../domain/position.ts';
import { openPool, type Pool } from '../../infra/postgres.ts';
import { openRedis, whenRedisReady, type RedisClient } from '../../infra/redis/redis.ts';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import { startMortalServers, type MortalServers } from '../../testing/mortal-servers.ts';
import { createBuild } from '../builds/build-store.ts';
import { moveCheckpoints } from '../builds/checkpoints.ts';
import { follows } from '../models/follows.ts';
import { createPoolFreshness } from '../builds/consistency.ts';
import { homeFeed } from '../feeds/home-feed.ts';
import { LaneLedger } from '../lanes/lane-ledger.ts';
import { createLanes, readIncarnation } from '../lanes/lane-positions.ts';
import type { Builds } from '../projection.ts';
import { prepareProjectionTables } from '../builds/schema.ts';

// Goal: after a crash of PostgreSQL, which may have taken back commits of models, no lane counts as done what it read
// then. Method: a server of the test's own, killed; the process that reads goes on, on new connections.
const STORE = '11111111-1111-4111-8111-111111111111';
const at = (n: number) => Position.parse(n.toString(16).padStart(32, '0'));

let servers: MortalServers;
let pool: Pool;
let redis: RedisClient;
beforeAll(async () => {
  servers = await startMortalServers();
  pool = openPool(servers.databaseUrl, { size: 4, name: 'crash' });
  await prepareProjectionTables(pool);
  redis = openRedis(servers.redisUrl);
  await whenRedisReady(redis, 10_000);
});
afterAll(async () => {
  redis.disconnect();
  await pool.end();
  await servers.close();
});

async function crash(): Promise<void> {
  await servers.kill('postgres');
  await servers.restart('postgres');
}

it('lanes do not store how far they came once PostgreSQL has crashed since they were taken, and go on when they are taken anew', async () => {
  const build = await createBuild(pool, { projection: homeFeed, storeId: STORE, state: 'building' });
  await createLanes(pool, build, START_OF_LOG);
  const indexes = createSortedIndexes(redis, { prefix: `${build.location}:`, buckets: 4 });
  const take = async () => LaneLedger.take({ pool, build, indexes, incarnation: await readIncarnation(pool) }, [0, 1]);
  const { ledger, held } = await take();
  const moved = (n: number) => held.map((lane) => ({ ...lane, position: at(n) }));
  await ledger.store(moved(1));
  await crash();
  await expect(ledger.store(moved(2))).rejects.toThrow(/PostgreSQL crashed/);
  const again = await take();
  expect(again.held.every(({ position }) => position < at(2))).toBe(true);
  await again.ledger.store(again.held.map((lane) => ({ ...lane, position: at(2) })));
});

it('what was heard of models is not believed by a statement on a connection from after the crash', async () => {
  const model = await createBuild(pool, { projection: follows, storeId: STORE, state: 'building' });
  const builds: Builds = { schema: () => '', prefix: () => '', id: () => model.id };
  await moveCheckpoints(pool, [{ buildId: model.id, storeId: STORE, from: START_OF_LOG, to: at(5), events: 1 }]);
  const lendAll = () => Promise.all(Array.from({ length: 4 }, () => pool.connect()));
  for (const client of await lendAll()) client.release();
  const freshness = createPoolFreshness(pool, new Set());
  expect(
    await freshness.waitUntilPassed(builds, { storeId: STORE, position: at(5), owners: [] }, ['follows'], 5_000),
  ).toBe('passed');
  // Every connection is lent when the server crashes, so that none is idle to tell of it.
  const lent = await lendAll();
  await crash();
  const before = freshness.heard(builds, STORE, ['follows']);
  for (const client of lent) client.release(true);
  expect(before).toBe(at(5));
  expect(freshness.heard(builds, STORE, ['follows'])).toBeUndefined();
  await pool.query('select 1');
  expect(freshness.heard(builds, STORE, ['follows'])).toBeUndefined();
});
