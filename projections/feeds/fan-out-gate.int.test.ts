import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { START_OF_LOG } from '../../domain/position.ts';
import { EpochUnknownError } from '../../infra/redis/redis-functions.ts';
import { openRedis, whenRedisReady, type RedisClient } from '../../infra/redis/redis.ts';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import type { SortedIndexes } from '../../infra/redis/sorted-index.ts';
import { emptyRedis, keysIn } from '../../testing/redis-contents.ts';
import { createTestRedis, type TestRedis } from '../../testing/redis.ts';
import { FanOutGate } from './fan-out-gate.ts';

const writer = { lane: 3, epoch: 1 };
const keys = ['t:feed:{0}:a', 't:feed:{1}:b', 't:feed:{2}:c'];
let server: TestRedis;
let redis: RedisClient;
let indexes: SortedIndexes;
beforeAll(async () => {
  server = await createTestRedis();
  redis = openRedis(server.url);
  await whenRedisReady(redis, 10_000);
  indexes = createSortedIndexes(redis, { prefix: 't:', buckets: 3 });
});
afterAll(async () => {
  redis.disconnect();
  await server.close();
});
beforeEach(async () => {
  await emptyRedis(redis);
  await register();
});

const register = () => indexes.takeOver([{ ...writer, mark: START_OF_LOG }]);
const gateOver = (guarded: SortedIndexes) =>
  new FanOutGate({ indexes: guarded, kinds: ['feed'], writers: () => [writer], levelOf: () => 'none' });
const make = async (key: string) => {
  const lease = await indexes.lease(key, 'reader', 60_000);
  if (lease === 'taken') expect(await indexes.fill(key, 'reader', { entries: [], cut: false }, 60_000)).toBe(true);
  return lease;
};

describe('while fan-out is stopped', () => {
  it('no index is there, and none is made', async () => {
    for (const key of keys) expect(await make(key)).toBe('taken');
    expect(await gateOver(indexes).level()).toBe('none');
    expect(await keysIn(redis, 't:feed:*')).toEqual([]);
    for (const key of keys) expect(await make(key)).toBe('withheld');
  });

  it('a round is left out only after the sweep that another round has begun', async () => {
    const steps: string[] = [];
    const held = Promise.withResolvers<undefined>();
    const gate = gateOver({
      ...indexes,
      withhold: async (...args) => {
        steps.push('begins');
        if (steps.length === 1) await held.promise;
        await indexes.withhold(...args);
        steps.push('has ended');
      },
    });
    const rounds = [gate.level(), gate.level()];
    await nextTurn();
    held.resolve(undefined);
    await Promise.all(rounds);
    expect(steps).toEqual(['begins', 'has ended', 'begins', 'has ended']);
  });

  it('what readers made after Redis was emptied is removed, also when parts of Redis knew the writers again before others', async () => {
    const gate = gateOver(indexes);
    await gate.level();
    await emptyRedis(redis);
    await register();
    for (const key of keys) expect(await make(key)).toBe('taken');
    for (const registry of await keysIn(redis, 't:lanes:*')) {
      const known = await redis.dumpBuffer(registry);
      await redis.del(registry);
      await expect(gate.level()).rejects.toThrow(EpochUnknownError);
      await redis.restore(registry, 0, known ?? '');
    }
    expect(await gate.level()).toBe('none');
    expect(await keysIn(redis, 't:feed:*')).toEqual([]);
  });
});
