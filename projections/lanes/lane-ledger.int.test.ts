import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Position, START_OF_LOG } from '../../domain/position.ts';
import { openPool, type Pool } from '../../infra/postgres.ts';
import { openRedis, whenRedisReady, type RedisClient } from '../../infra/redis/redis.ts';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import type { SortedIndexes } from '../../infra/redis/sorted-index.ts';
import { createTestDatabase, type TestDatabase } from '../../testing/postgres.ts';
import { createTestRedis, type TestRedis } from '../../testing/redis.ts';
import { createBuild, listBuilds } from '../builds/build-store.ts';
import { retire } from '../builds/switch-over.ts';
import { homeFeed } from '../feeds/home-feed.ts';
import { LaneLedger } from './lane-ledger.ts';
import { createLanes, readIncarnation } from './lane-positions.ts';
import { prepareProjectionTables } from '../builds/schema.ts';

const STORE = '11111111-1111-4111-8111-111111111111';
const at = (n: number) => Position.parse(n.toString(16).padStart(32, '0'));

let database: TestDatabase;
let server: TestRedis;
let pool: Pool;
let redis: RedisClient;
beforeAll(async () => {
  [database, server] = await Promise.all([createTestDatabase(), createTestRedis()]);
  pool = openPool(database.url, { size: 4, name: 'lane-ledger' });
  await prepareProjectionTables(pool);
  redis = openRedis(server.url);
  await whenRedisReady(redis, 10_000);
});
afterAll(async () => {
  redis.disconnect();
  await pool.end();
  await Promise.all([database.drop(), server.close()]);
});

afterEach(async () => {
  for (const build of await listBuilds(pool)) await retire(pool, build);
});

/** A ledger over all lanes of a new build, which stand at the start of the log. */
async function take(guarded: (indexes: SortedIndexes) => SortedIndexes = (indexes) => indexes) {
  const build = await createBuild(pool, { projection: homeFeed, storeId: STORE, state: 'building' });
  await createLanes(pool, build, START_OF_LOG);
  const indexes = createSortedIndexes(redis, { prefix: `${build.location}:`, buckets: 4 });
  const { ledger, held } = await LaneLedger.take(
    { pool, build, incarnation: await readIncarnation(pool), indexes: guarded(indexes) },
    [0, 1, 2],
  );
  const moved = (n: number) => held.map((lane) => ({ ...lane, position: at(n) }));
  return { indexes, ledger, moved, marks: () => indexes.marks([0, 1, 2]) };
}

describe('the marks of lanes', () => {
  it('move with the lanes, and tell when Redis came back with an older state', async () => {
    const { indexes, ledger, moved, marks } = await take();
    await ledger.mark(moved(1));
    await ledger.mark(moved(2));
    expect(await marks()).toEqual([at(2), at(2), at(2)]);
    await indexes.takeOver(moved(1).map(({ position, ...writer }) => ({ ...writer, mark: position })));
    await expect(ledger.mark(moved(3))).rejects.toThrow(/older state/);
  });

  it('do not look like those of a Redis that came back when lanes register while they are moved', async () => {
    const held = Promise.withResolvers<undefined>();
    const { ledger, moved, marks } = await take((indexes) => ({
      ...indexes,
      mark: async (moves) => {
        await held.promise;
        return indexes.mark(moves);
      },
    }));
    const marking = ledger.mark(moved(1));
    const registering = ledger.registerAgain(moved(2));
    // Answered only after what was asked before: a registration that does not wait would be done by then.
    for (let i = 0; i < 5; i += 1) await marks();
    held.resolve(undefined);
    await expect(Promise.all([marking, registering])).resolves.toBeDefined();
    expect(await marks()).toEqual([at(2), at(2), at(2)]);
  });

  it('are registered once for all lanes that meet an emptied Redis together', async () => {
    let registrations = 0;
    const { ledger, moved, marks } = await take((indexes) => ({
      ...indexes,
      takeOver: async (lanes) => {
        registrations += 1;
        await indexes.takeOver(lanes);
      },
    }));
    registrations = 0;
    await Promise.all(Array.from({ length: 10 }, () => ledger.registerAgain(moved(1))));
    expect({ registrations, marks: await marks() }).toEqual({ registrations: 1, marks: [at(1), at(1), at(1)] });
  });
});
