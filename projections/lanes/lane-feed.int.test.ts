import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import { createFeedHistory, type Wish } from '../../testing/feed-history.ts';
import {
  appendHistory,
  LANE_PROJECTIONS,
  startLaneProjector,
  VERSIONS,
  type FeedDeps,
} from '../../testing/lane-projector.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { createTestRedis, type TestRedis } from '../../testing/redis.ts';
import { readPlaces } from '../builds/build-checkpoints.ts';
import { createBuild, listBuilds, type Build } from '../builds/build-store.ts';
import { resolveBuilds } from '../builds/builds.ts';
import { celebrityPosts } from '../feeds/celebrity-posts.ts';
import { fillAbsent } from '../feeds/computed-index.ts';
import { definedFeeds } from '../feeds/fan-out.ts';
import { retire } from '../builds/switch-over.ts';
import { homeFeed, homeFeeds } from '../feeds/home-feed.ts';
import { openLogFeed, type OpenLaneFeed } from './lane-feed.ts';
import { BUCKETS, keysOf } from '../lane-keys.ts';
import { createLanes } from './lane-positions.ts';
import type { KeyDifference, LaneContext, LaneProjection } from '../lane-projection.ts';
import { createLogSource } from './lane-source.ts';
import { BUILDS_CHANNEL } from '../builds/leases.ts';
import { writeSetting } from '../builds/settings.ts';

const NOW = new Date('2026-06-01T12:00:00.000Z');
let world: ProjectorWorld;
let server: TestRedis;
beforeAll(async () => {
  [world, server] = await Promise.all([openProjectorWorld(), createTestRedis()]);
});
afterAll(async () => {
  await Promise.all([world.close(), server.close()]);
});
afterEach(async () => {
  for (const build of await listBuilds(world.pool)) if (build.state === 'building') await retire(world.pool, build);
});

const addresses = () => ({ eventStore: world.node.url, database: world.databaseUrl, redis: server.url });

/** A log feed whose deliveries wait for `mayDeliver`. */
const heldFeed =
  (mayDeliver: () => Promise<void>) =>
  ({ databaseUrl, store, keys, log }: FeedDeps): OpenLaneFeed =>
  (onChange) => {
    const source = createLogSource({ store, keys, log, limits: { events: 500, bytes: 1e7 } });
    return openLogFeed(
      {
        databaseUrl,
        log,
        source: {
          ...source,
          follow: (following) =>
            source.follow({
              ...following,
              deliver: async (events, passed) => {
                await mayDeliver();
                await following.deliver(events, passed);
              },
            }),
        },
      },
      onChange,
    );
  };

it('a build that is taken up while a group of the log is on its way misses nothing that came before that group', async () => {
  let mayDeliver: () => Promise<void> = async () => undefined;
  const projector = await startLaneProjector(addresses(), { now: () => NOW, openFeed: heldFeed(() => mayDeliver()) });
  const history = createFeedHistory(NOW, 2);
  const append = async (...wishes: Wish[]) => {
    const from = history.log.length;
    for (const wish of wishes) history.wish(wish);
    return appendHistory(world.store, history.log.slice(from));
  };
  const passed = async (position: string) =>
    eventually('the lanes pass it', () => projector.lanes.fed.every((build) => build.position >= position));
  const post = (which: number): Wish => ({ does: 8, who: 1, whom: 0, which });
  await appendHistory(world.store, history.log);
  await passed(await append({ does: 0, who: 0, whom: 0, which: 0 }, post(0)));

  const builds = await resolveBuilds(world.pool, VERSIONS);
  const contextOf = (prefix: string): LaneContext => ({
    read: { sql: world.pool, builds },
    prefix,
    now: () => NOW,
    indexes: createSortedIndexes(projector.redis, { prefix: `${prefix}:`, buckets: BUCKETS }),
  });
  const build = await createBuild(world.pool, {
    projection: homeFeed,
    storeId: world.store.storeId,
    state: 'building',
  });
  await createLanes(world.pool, build, await world.store.head());
  const context = contextOf(build.location);
  const { entries, keys, define } = definedFeeds(homeFeeds);
  await fillAbsent(
    context.indexes,
    history.accounts.map((id) => ({ id, key: keysOf(build.location, keys)(id) })),
    { limit: entries, compute: (ids) => define(context, ids, NOW) },
  );

  await passed(await append(post(1)));
  const isTaken = () => projector.lanes.fed.some((one) => one.build.id === build.id);
  mayDeliver = () => eventually('the new build is taken up', isTaken);
  const last = await append(post(2));
  await world.pool.query('update projections.build set filled = true where id = $1', [build.id]);
  await world.pool.query(`notify ${BUILDS_CHANNEL}`);
  await eventually(
    'the new build is fed',
    () =>
      projector.lanes.fed.length === LANE_PROJECTIONS.length + 1 &&
      projector.lanes.fed.every(({ position }) => position >= last),
  );
  const found: KeyDifference[] = [];
  for await (const difference of homeFeed.differences(context, {})) found.push(difference);
  expect(found).toEqual([]);
  await projector.close();
});

/** New builds of some projections, made in this order, with lanes at the head of the log. */
async function newBuilds(projections: readonly LaneProjection[]): Promise<Map<string, Build>> {
  const made = new Map<string, Build>();
  for (const projection of projections) {
    const build = await createBuild(world.pool, { projection, storeId: world.store.storeId, state: 'building' });
    await createLanes(world.pool, build, await world.store.head());
    made.set(projection.name, build);
  }
  return made;
}

it.each([
  ['before', [homeFeed, celebrityPosts]],
  ['after', [celebrityPosts, homeFeed]],
] satisfies [string, LaneProjection[]][])(
  'a build that was made %s one that cannot be taken up gets its events, and the other is let go of once it is dropped',
  async (_, order) => {
    const projector = await startLaneProjector(addresses(), { now: () => NOW });
    await eventually(
      'all is well',
      () => projector.lanes.fed.length === LANE_PROJECTIONS.length && projector.lanes.trouble === undefined,
    );
    const made = await newBuilds(order);
    const [sound, broken] = [made.get(homeFeed.name)!, made.get(celebrityPosts.name)!];
    const hasLease = async () => (await readPlaces(world.pool)).get(broken.id)?.fed === true;
    const append = () => appendHistory(world.store, createFeedHistory(NOW, 2).log);
    const isFedTo = (position: string) =>
      eventually(
        'the sound build gets its events',
        () => projector.lanes.fed.some((one) => one.build.id === sound.id && one.position >= position),
        20_000,
      );
    try {
      await world.pool.query(`update projections.lane set position = 'nowhere' where build_id = $1 and lane = 31`, [
        broken.id,
      ]);
      await world.pool.query('update projections.build set filled = true where id = any($1::int[])', [
        [sound.id, broken.id],
      ]);
      await world.pool.query(`notify ${BUILDS_CHANNEL}`);
      await eventually(
        'the broken one is tried',
        async () => projector.lanes.trouble !== undefined && (await hasLease()),
      );
      await isFedTo(await append());
      expect(projector.lanes.fed.map(({ build }) => build.id)).not.toContain(broken.id);
      await retire(world.pool, broken);
      await eventually('the broken one is let go of', async () => !(await hasLease()));
      await isFedTo(await append());
      await eventually('all is well again', () => projector.lanes.trouble === undefined);
    } finally {
      await projector.close();
    }
  },
);

it('the log is read for nobody while all builds are paused, and read again from where they stand', async () => {
  let following: AbortSignal | undefined;
  const watched =
    ({ databaseUrl, store, keys, log }: FeedDeps): OpenLaneFeed =>
    (onChange) => {
      const source = createLogSource({ store, keys, log, limits: { events: 500, bytes: 1e7 } });
      return openLogFeed(
        {
          databaseUrl,
          log,
          source: {
            ...source,
            follow: (wish) => {
              following = wish.signal;
              return source.follow(wish);
            },
          },
        },
        onChange,
      );
    };
  const pause = async (paused: boolean) => {
    for (const { name } of LANE_PROJECTIONS) await writeSetting(world.pool, name, { paused });
    await world.pool.query(`notify ${BUILDS_CHANNEL}`);
  };
  const projector = await startLaneProjector(addresses(), { now: () => NOW, openFeed: watched });
  try {
    await eventually('the log is followed', () => following?.aborted === false);
    await pause(true);
    await eventually('nobody reads it', () => projector.lanes.fed.length === 0 && following?.aborted === true);
    const last = await appendHistory(world.store, createFeedHistory(NOW, 2).log);
    await pause(false);
    await eventually(
      'all builds have the events',
      () =>
        projector.lanes.fed.length === LANE_PROJECTIONS.length &&
        projector.lanes.fed.every(({ position }) => position >= last),
    );
  } finally {
    await projector.close();
  }
});
