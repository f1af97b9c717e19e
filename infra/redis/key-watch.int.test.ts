import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestRedis, type TestRedis } from '../../testing/redis.ts';
import { eventually } from '../../testing/projector-world.ts';
import type { Changes } from '../process/invalidation-source.ts';
import { KeyWatch } from './key-watch.ts';
import { openRedis, whenRedisReady, type RedisClient } from './redis.ts';
import { createSortedIndexes } from './sorted-indexes.ts';

let server: TestRedis;
let reads: RedisClient;
let others: RedisClient;
let watch: KeyWatch;
const heard: Changes[] = [];
beforeAll(async () => {
  server = await createTestRedis();
  reads = openRedis(server.url);
  others = openRedis(server.url);
  await Promise.all([whenRedisReady(reads, 10_000), whenRedisReady(others, 10_000)]);
  const opened = KeyWatch.over(reads);
  if (opened === undefined) throw new Error('one server can be watched');
  watch = opened;
  watch.onChanges((keys) => {
    heard.push(keys);
  });
  await eventually('it watches', () => watch.complete);
});
afterAll(async () => {
  await watch.close();
  reads.disconnect();
  others.disconnect();
  await server.close();
});

const hasHeard = (key: string) => heard.some((keys) => keys !== 'all' && keys.includes(key));

describe('a watch over keys', () => {
  it('hears of keys that were read when others change them, when they expire, and once for each reading', async () => {
    await others.mset('read', '1', 'unread', '1', 'passing', '1');
    await reads.mget('read', 'passing');
    await others.mset('unread', '2', 'read', '2');
    await others.pexpire('passing', 1);
    await eventually('it hears of both', () => hasHeard('read') && hasHeard('passing'));
    expect(hasHeard('unread')).toBe(false);
    heard.length = 0;
    await others.set('read', '3');
    await reads.get('read');
    await others.set('read', '4');
    await eventually('it hears', () => hasHeard('read'));
    expect(heard.flat().filter((key) => key === 'read')).toHaveLength(1);
  });

  it('hears of keys that a server-side function read', async () => {
    await others.set('inside', '1');
    await reads.eval("return redis.call('GET', KEYS[1])", 1, 'inside');
    await others.del('inside');
    await eventually('it hears', () => hasHeard('inside'));
  });

  it('hears of an index whose lifetime the reading itself renewed', async () => {
    const indexes = createSortedIndexes(reads, { prefix: 'test:', buckets: 1 });
    const keys = ['test:feed:{0}:a', 'test:feed:{0}:b'];
    for (const key of keys) await others.zadd(key, 0, '!', 1, 'post');
    await indexes.newest(keys, { limit: 10, renewMs: 60_000 });
    expect(await Promise.all(keys.map((key) => others.pttl(key)))).not.toContain(-1);
    for (const key of keys) await others.zadd(key, 2, 'newer');
    await eventually('it hears of both', () => keys.every(hasHeard));
  });

  it('says that everything may have changed when the server is emptied', async () => {
    heard.length = 0;
    await others.flushdb();
    await eventually('it hears', () => heard.includes('all'));
  });

  it.each(['reads', 'hears'] as const)(
    'knows when it may have missed something because the connection that %s was lost, and watches again',
    async (which) => {
      heard.length = 0;
      const listed = String(await others.call('CLIENT', 'LIST', 'ID', String(await reads.call('CLIENT', 'ID'))));
      const id = (which === 'reads' ? /\bid=(\d+)/ : /\bredir=(\d+)/).exec(listed)?.[1] ?? '';
      await others.call('CLIENT', 'KILL', 'ID', id);
      await eventually('it knows', () => heard.includes('all'));
      await eventually('it watches again', () => watch.complete);
      await others.set('again', '1');
      await reads.get('again');
      await others.set('again', '2');
      await eventually('it hears again', () => hasHeard('again'));
    },
  );

  it('is not to be had of a cluster, each of whose servers would need a connection that listens', () => {
    const cluster = openRedis('redis://127.0.0.1:1,redis://127.0.0.1:2');
    expect(KeyWatch.over(cluster)).toBeUndefined();
    cluster.disconnect();
  });

  it('is not complete any more once it is closed', async () => {
    const second = KeyWatch.over(others);
    await eventually('it watches', () => second?.complete === true);
    await second?.close();
    expect(second?.complete).toBe(false);
  });
});
