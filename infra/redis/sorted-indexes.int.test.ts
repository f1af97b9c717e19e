import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startRedisCluster, type RedisCluster } from '../../testing/redis-cluster.ts';
import { createTestRedis, type TestRedis } from '../../testing/redis.ts';
import { EpochUnknownError, StaleEpochError } from './redis-functions.ts';
import { openRedis, serversOf, whenRedisReady, type RedisClient } from './redis.ts';
import { createSortedIndexes } from './sorted-indexes.ts';
import type { Entry, SortedIndexes } from './sorted-index.ts';

const BOUND = { entries: 5, slack: 0.4 };
const writer = { lane: 3, epoch: 1 };
const start = '0'.repeat(32);
const entry = (score: number, id = `e${String(score).padStart(3, '0')}`): Entry => ({ id, score });
const key = (name: string, bucket = 1) => `t:index:{${String(bucket)}}:${name}`;

describe('bounded indexes', () => {
  let server: TestRedis;
  let redis: RedisClient;
  let indexes: SortedIndexes;
  beforeAll(async () => {
    server = await createTestRedis();
    redis = openRedis(server.url);
    await whenRedisReady(redis, 10_000);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.close();
  });
  beforeEach(async () => {
    for await (const keys of createSortedIndexes(redis, { prefix: 't:', buckets: 4 }).scan('t:'))
      await Promise.all(keys.map((one) => redis.unlink(one)));
    indexes = createSortedIndexes(redis, { prefix: 't:', buckets: 4 });
    await indexes.takeOver([{ ...writer, mark: start }]);
  });

  const make = async (name: string, entries: readonly Entry[], cut = false) => {
    expect(await indexes.lease(key(name), 'maker', 60_000)).toBe('taken');
    expect(await indexes.fill(key(name), 'maker', { entries, cut }, 60_000)).toBe(true);
  };
  const idsIn = async (name: string) => {
    const [found] = await indexes.newest([key(name)], { limit: BOUND.entries, renewMs: 0 });
    return found?.state === 'complete' ? found.entries.map(({ id }) => id) : found?.state;
  };
  const change = (name: string, add: readonly Entry[], remove: readonly string[] = []) =>
    indexes.apply([writer], BOUND, [{ keys: [key(name)], add, remove }]);

  it('take changes only when they exist, and stay complete when they are empty', async () => {
    await change('a', [entry(1)]);
    expect(await idsIn('a')).toBe('absent');
    await make('a', []);
    expect(await idsIn('a')).toEqual([]);
    await change('a', [entry(1), entry(2)]);
    await change('a', [entry(2)], ['e001']);
    expect(await idsIn('a')).toEqual(['e002']);
    await change('a', [], ['e002']);
    expect(await idsIn('a')).toEqual([]);
  });

  it('order by score and then by id, newest first', async () => {
    await make('a', []);
    await change('a', [entry(1, 'b'), entry(1, 'a'), entry(2, 'c')]);
    expect(await idsIn('a')).toEqual(['c', 'b', 'a']);
  });

  it('are cut only past the slack, and know afterwards what they no longer know', async () => {
    await make('a', []);
    for (let score = 1; score <= 7; score += 1) await change('a', [entry(score)]);
    expect(await redis.zcard(key('a'))).toBe(8);
    await change('a', [entry(8)]);
    expect(await redis.zcard(key('a'))).toBe(6);
    expect(await idsIn('a')).toEqual(['e008', 'e007', 'e006', 'e005', 'e004']);
    expect(await change('a', [], ['e008'])).toEqual({ changed: 1, incomplete: [key('a')] });
    expect(await idsIn('a')).toBe('absent');
  });

  it('do not take an old entry for one of the newest after a cut', async () => {
    await make(
      'a',
      [9, 8, 7, 6, 5].map((score) => entry(score)),
      true,
    );
    await change('a', [entry(1), entry(10)]);
    expect(await change('a', [], ['e009'])).toEqual({ changed: 1, incomplete: [] });
    expect(await idsIn('a')).toEqual(['e010', 'e008', 'e007', 'e006', 'e005']);
    expect(await change('a', [], ['e008'])).toEqual({ changed: 1, incomplete: [key('a')] });
  });

  it('are computed by one at a time, whose lease every change breaks', async () => {
    expect(await indexes.lease(key('a'), 'one', 60_000)).toBe('taken');
    expect(await indexes.lease(key('a'), 'two', 60_000)).toBe('busy');
    // Whose first answer was lost asks again.
    expect(await indexes.lease(key('a'), 'one', 60_000)).toBe('taken');
    expect(await idsIn('a')).toBe('computing');
    await change('a', [entry(1)]);
    expect(await indexes.fill(key('a'), 'one', { entries: [entry(2)], cut: false }, 60_000)).toBe(false);
    expect(await idsIn('a')).toBe('absent');
    expect(await indexes.lease(key('a'), 'two', 60_000)).toBe('taken');
    await indexes.discard([writer], [key('a')]);
    expect(await indexes.fill(key('a'), 'two', { entries: [entry(2)], cut: false }, 60_000)).toBe(false);
    await make('a', [entry(2)]);
    expect(await indexes.lease(key('a'), 'three', 60_000)).toBe('present');
  });

  it('give a lease up, and let it end by itself', async () => {
    await indexes.lease(key('a'), 'one', 60_000);
    await indexes.release(key('a'), 'other');
    expect(await idsIn('a')).toBe('computing');
    await indexes.release(key('a'), 'one');
    expect(await idsIn('a')).toBe('absent');
    await indexes.lease(key('a'), 'two', 20);
    await expect.poll(() => idsIn('a')).toBe('absent');
  });

  it('refuse a writer whose lane was taken over, in every bucket', async () => {
    const buckets = [0, 1, 2, 3];
    for (const bucket of buckets) {
      await indexes.lease(key('a', bucket), 'maker', 60_000);
      await indexes.fill(key('a', bucket), 'maker', { entries: [], cut: false }, 60_000);
    }
    await indexes.takeOver([{ lane: 3, epoch: 2, mark: start }]);
    for (const bucket of buckets)
      await expect(
        indexes.apply([writer], BOUND, [{ keys: [key('a', bucket)], add: [entry(1)], remove: [] }]),
      ).rejects.toThrow(StaleEpochError);
    await expect(indexes.discard([writer], [key('a')])).rejects.toThrow(StaleEpochError);
    await expect(indexes.takeOver([{ ...writer, mark: start }])).rejects.toThrow(StaleEpochError);
    expect(await idsIn('a')).toEqual([]);
  });

  it('refuse a writer that they do not know, and all of a group when one of it is stale', async () => {
    await expect(
      indexes.apply([{ lane: 9, epoch: 1 }], BOUND, [{ keys: [key('a')], add: [entry(1)], remove: [] }]),
    ).rejects.toThrow(EpochUnknownError);
    await indexes.takeOver([{ lane: 4, epoch: 2, mark: start }]);
    await make('a', []);
    const stale = [writer, { lane: 4, epoch: 1 }];
    await expect(indexes.apply(stale, BOUND, [{ keys: [key('a')], add: [entry(1)], remove: [] }])).rejects.toThrow(
      StaleEpochError,
    );
    expect(await idsIn('a')).toEqual([]);
    await indexes.apply([writer, { lane: 4, epoch: 2 }], BOUND, [{ keys: [key('a')], add: [entry(1)], remove: [] }]);
    expect(await idsIn('a')).toEqual(['e001']);
  });

  it('move a mark only from where it was left', async () => {
    const [one, two] = ['1'.padStart(32, '0'), '2'.padStart(32, '0')];
    expect(await indexes.mark([{ ...writer, from: start, to: one }])).toBe('marked');
    expect(await indexes.marks([3, 5])).toEqual([one, undefined]);
    expect(await indexes.mark([{ ...writer, from: start, to: two }])).toBe('elsewhere');
    expect(await indexes.marks([3])).toEqual([one]);
  });

  it('take thousands of changes over all buckets in a few calls', async () => {
    const keys = Array.from({ length: 3_000 }, (_, i) => key(`n${String(i)}`, i % 4));
    for (let at = 0; at < keys.length; at += 500) {
      await Promise.all(
        keys.slice(at, at + 500).map(async (one) => {
          await indexes.lease(one, 'maker', 60_000);
          await indexes.fill(one, 'maker', { entries: [], cut: false }, 60_000);
        }),
      );
    }
    const { changed } = await indexes.apply([writer], BOUND, [
      { keys, add: [entry(1), entry(2)], remove: [] },
      { keys: keys.slice(0, 10), add: [entry(3)], remove: ['e001'] },
    ]);
    expect(changed).toBe(3_010);
    const found = await indexes.newest(keys, { limit: 9, renewMs: 0 });
    expect(found.map((one) => (one.state === 'complete' ? one.entries.length : one.state))).toEqual(keys.map(() => 2));
    let scanned = 0;
    for await (const some of indexes.scan('t:index:')) scanned += some.length;
    expect(scanned).toBe(3_000);
  });
});

describe('on a cluster of its own', () => {
  const buckets = [0, 1, 2, 3];
  let server: RedisCluster;
  let redis: RedisClient;
  let indexes: SortedIndexes;
  beforeAll(async () => {
    server = await startRedisCluster();
    redis = openRedis(server.url);
    await whenRedisReady(redis, 10_000);
    indexes = createSortedIndexes(redis, { prefix: 't:', buckets: buckets.length });
    await indexes.takeOver([{ ...writer, mark: start }]);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.close();
  });

  it('the library of functions is loaded again by the next call after a server lost it', async () => {
    await Promise.all(serversOf(redis).map((master) => master.call('FUNCTION', 'FLUSH')));
    await Promise.all(
      buckets.map((bucket) =>
        indexes.apply([writer], BOUND, [{ keys: [key('a', bucket)], add: [entry(1)], remove: [] }]),
      ),
    );
  });

  it('a scan fails rather than leave out what is held by a master that is away', async () => {
    const scanned = async () => {
      const found: string[] = [];
      for await (const keys of indexes.scan('t:lanes:')) found.push(...keys);
      return found;
    };
    expect(await scanned()).toHaveLength(buckets.length);
    await server.kill(0);
    await expect.poll(() => serversOf(redis).length, { timeout: 10_000 }).toBe(2);
    await expect(scanned()).rejects.toThrow(/Cluster isn't ready|Connection is closed/);
  });
});
