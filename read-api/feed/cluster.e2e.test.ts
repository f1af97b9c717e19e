import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId } from '../../domain/ids.ts';
import { serversOf } from '../../infra/redis/redis.ts';
import { openFeedWorld, type FeedWorld } from '../../testing/feed-world.ts';
import { startRedisCluster, type RedisCluster } from '../../testing/redis-cluster.ts';

// Goal: what only a cluster can do to feeds; all that one server can runs a second time on a cluster
// (vitest.config.ts).
let cluster: RedisCluster;
let world: FeedWorld;
beforeAll(async () => {
  cluster = await startRedisCluster();
  world = await openFeedWorld({ openServer: () => Promise.resolve(cluster), redisTimeoutMs: 300, circuitRestMs: 500 });
});
afterAll(() => world.close());

const NO_TOKEN = { headers: { 'Consistency-Token': '' } };
const PATIENT = { timeout: 30_000 };
let people = 0;
const person = () => world.person(`cluster${String((people += 1))}`);
const post = (author: AccountId, minutes: number) =>
  world.post(author, { publishedAt: new Date(Date.now() - minutes * 60_000).toISOString() });
const latest = (viewer: AccountId) => world.feed(viewer, '?order=latest', NO_TOKEN);

/** An author and twelve followers, who each have read the author's only post. */
async function audience() {
  const author = await person();
  const viewers = await Promise.all(Array.from({ length: 12 }, person));
  for (const viewer of viewers) await world.follow(viewer, author);
  const first = await post(author, 60);
  for (const viewer of viewers)
    expect(await world.feed(viewer, '?order=latest')).toMatchObject({ status: 200, ids: [first], quality: 'normal' });
  return { author, viewers, first };
}

describe('home feeds on a cluster of three masters', () => {
  it('are kept on all masters, and changed there', async () => {
    const { author, viewers, first } = await audience();
    const held = await Promise.all(serversOf(world.redis).map((server) => server.keys('*:feed:*')));
    expect(held.map((keys) => keys.length > 0)).toEqual([true, true, true]);
    const second = await post(author, 30);
    await world.settled();
    for (const viewer of viewers)
      expect(await latest(viewer)).toMatchObject({ ids: [second, first], cache: 'hit', quality: 'normal' });
  });

  it.each([
    ['one master', 0],
    ['all masters', undefined],
  ])(
    'are answered while %s cannot be reached, and lanes bring them up to date when the cluster is whole again',
    async (_, master) => {
      const { author, viewers, first } = await audience();
      await cluster.kill(master);
      const second = await post(author, 30);
      for (const viewer of viewers) {
        await expect
          .poll(async () => {
            const { status, ids } = await latest(viewer);
            expect(status).toBe(200);
            return ids;
          }, PATIENT)
          .toEqual([second, first]);
      }
      await cluster.restart();
      await world.settled();
      expect(world.lanes.trouble).toBeUndefined();
      for (const viewer of viewers)
        await expect
          .poll(async () => latest(viewer), PATIENT)
          .toMatchObject({ status: 200, ids: [second, first], cache: 'hit', quality: 'normal' });
      const third = await post(author, 1);
      await world.settled();
      for (const viewer of viewers)
        expect(await latest(viewer)).toMatchObject({ ids: [third, second, first], cache: 'hit', quality: 'normal' });
    },
  );
});
