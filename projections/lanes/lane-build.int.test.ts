import { afterAll, beforeAll, expect, it } from 'vitest';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import { createFeedHistory } from '../../testing/feed-history.ts';
import { appendHistory, startLaneProjector, VERSIONS } from '../../testing/lane-projector.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { createTestRedis, type TestRedis } from '../../testing/redis.ts';
import { resolveBuilds } from '../builds/builds.ts';
import { fillAbsent } from '../feeds/computed-index.ts';
import { homeFeeds } from '../feeds/home-feed.ts';
import { BUCKETS, keysOf } from '../lane-keys.ts';

const NOW = new Date('2026-06-01T12:00:00.000Z');
const FOLLOWERS = 25_000;
const LIMIT_MS = 120_000;
const followerOf = (number: number) => `acc_zz${String(number).padStart(9, '0')}`;
let world: ProjectorWorld;
let server: TestRedis;
beforeAll(async () => {
  [world, server] = await Promise.all([openProjectorWorld(), createTestRedis()]);
});
afterAll(async () => {
  await Promise.all([world.close(), server.close()]);
});

const start = (burstRate: number) =>
  startLaneProjector(
    { eventStore: world.node.url, database: world.databaseUrl, redis: server.url },
    { now: () => NOW, burstRate },
  );

it(
  'lanes that are closed while a large audience is held to its rate do not wait for it, and go on with it where they are opened again',
  async () => {
    // The first page beyond the limit is let through at once; the second one's turn comes in hours.
    const held = await start(1);
    const history = createFeedHistory(NOW, 2);
    await appendHistory(world.store, history.log);
    await eventually('the lanes pass the accounts', async () => {
      const head = await world.store.head();
      return held.lanes.fed.every(({ position }) => position >= head);
    });
    const builds = await resolveBuilds(world.pool, VERSIONS);
    await world.pool.query(
      `insert into ${builds.schema('follows')}.follow (follower_id, followee_id, since) select 'acc_zz' || lpad(n::text, 9, '0'), $1, now() from generate_series(1, ${String(FOLLOWERS)}) as n`,
      [history.accounts[0]],
    );
    const prefix = builds.prefix('home-feed');
    const keyOf = keysOf(prefix, homeFeeds.keys);
    const postsIn = async (redis: typeof held.redis, number: number) => {
      const [found] = await createSortedIndexes(redis, { prefix: `${prefix}:`, buckets: BUCKETS }).newest(
        [keyOf(followerOf(number))],
        { limit: 10, renewMs: 0 },
      );
      return found?.state === 'complete' ? found.entries.length : -1;
    };
    await fillAbsent(
      createSortedIndexes(held.redis, { prefix: `${prefix}:`, buckets: BUCKETS }),
      [1, FOLLOWERS].map(followerOf).map((id) => ({ id, key: keyOf(id) })),
      { limit: 500, compute: async () => new Map() },
    );

    const from = history.log.length;
    history.wish({ does: 8, who: 0, whom: 0, which: 0 });
    const posted = await appendHistory(world.store, history.log.slice(from));
    await eventually('the first follower has the post', async () => (await postsIn(held.redis, 1)) === 1);
    expect(await postsIn(held.redis, FOLLOWERS)).toBe(0);
    await held.close();

    const going = await start(1_000_000);
    await eventually(
      'the lanes pass the post',
      () => going.lanes.fed.length > 0 && going.lanes.fed.every(({ position }) => position >= posted),
    );
    expect([await postsIn(going.redis, 1), await postsIn(going.redis, FOLLOWERS)]).toEqual([1, 1]);
    await going.close();
  },
  LIMIT_MS,
);
