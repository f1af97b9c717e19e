import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { START_OF_LOG } from '../../../domain/position.ts';
import { CircuitBreaker } from '../../../infra/process/circuit-breaker.ts';
import { newId } from '../../../infra/ids.ts';
import { openRedis, whenRedisReady, type RedisClient } from '../../../infra/redis/redis.ts';
import { createSortedIndexes } from '../../../infra/redis/sorted-indexes.ts';
import type { Entry } from '../../../infra/redis/sorted-index.ts';
import { BUCKETS, keysOf } from '../../../projections/lane-keys.ts';
import { createTestRedis, type TestRedis } from '../../../testing/redis.ts';
import { IndexReader } from './index-reader.ts';

const PREFIX = 'reader_1';
const LANE = { lane: 0, epoch: 1 };
const keyOf = keysOf(PREFIX, 'feed');
const entry = (): Entry => ({ id: newId.post(), score: Date.now() });

let server: TestRedis;
let redis: RedisClient;
beforeAll(async () => {
  server = await createTestRedis();
  redis = openRedis(server.url);
  await whenRedisReady(redis, 10_000);
  await lanes().takeOver([{ ...LANE, mark: START_OF_LOG }]);
});
afterAll(async () => {
  redis.disconnect();
  await server.close();
});

const lanes = () => createSortedIndexes(redis, { prefix: `${PREFIX}:`, buckets: BUCKETS });
const newReader = () =>
  new IndexReader({
    redis,
    circuit: new CircuitBreaker({ name: 'test', failures: 5, attempts: 1, pauseMs: 1, halfOpenAfterMs: 100 }),
  });

/** An index whose computations end when the test says so. */
function slowIndex() {
  const began: { answer: (entries: Entry[]) => void; fail: () => void }[] = [];
  const key = keyOf(newId.account());
  const compute = () =>
    new Promise<Entry[]>((resolve, reject) => {
      began.push({
        answer: resolve,
        fail: () => {
          reject(new Error('the test wants it to fail'));
        },
      });
    });
  return { began, source: { key, limit: 10, compute } };
}

/** A reader whose first computation of an index is under way. */
async function reading() {
  const reader = newReader();
  const { began, source } = slowIndex();
  const first = reader.read(PREFIX, [source], { fresh: false });
  await expect.poll(() => began.length).toBe(1);
  return { reader, began, source, first };
}

describe('a reader of an index that nobody has computed', () => {
  it('shares the computation with all who ask while it takes longer than others are waited for, with a token or without', async () => {
    const reader = newReader();
    const { began, source } = slowIndex();
    const asked = Array.from({ length: 300 }, (_, i) => reader.read(PREFIX, [source], { fresh: i % 3 > 0 }));
    await expect.poll(() => began.length).toBe(1);
    // After a second a reader no longer waits for what somebody else computes.
    await delay(1_300);
    const only = entry();
    began[0]?.answer([only]);
    const answers = await Promise.all(asked);
    expect(answers.every(([index]) => index?.entries.length === 1 && index.entries[0]?.id === only.id)).toBe(true);
    expect(began.length).toBe(1);
  });

  it('who asks with a token does not get what began before he asked and a lane has changed since', async () => {
    const { reader, began, source, first } = await reading();
    const later = [1, 2, 3].map(() => reader.read(PREFIX, [source], { fresh: true }));
    await lanes().discard([LANE], [source.key]);
    const [before, after] = [entry(), entry()];
    began[0]?.answer([before]);
    expect((await first)[0]?.entries).toEqual([before]);
    await expect.poll(() => began.length).toBe(2);
    began[1]?.answer([after]);
    for (const [index] of await Promise.all(later)) expect(index).toMatchObject({ entries: [after], from: 'miss' });
    expect((await reader.read(PREFIX, [source], { fresh: true }))[0]).toMatchObject({ entries: [after], from: 'hit' });
    expect(began.length).toBe(2);
  });

  it('goes on by himself when the computation before his fails', async () => {
    const { reader, began, source, first } = await reading();
    const later = reader.read(PREFIX, [source], { fresh: true });
    began[0]?.fail();
    await expect(first).rejects.toThrow('the test wants it to fail');
    await expect.poll(() => began.length).toBe(2);
    const only = entry();
    began[1]?.answer([only]);
    expect((await later)[0]?.entries).toEqual([only]);
  });
});
