import { afterAll, beforeAll, expect, it } from 'vitest';
import { createSortedIndexes } from '../infra/sorted-indexes.ts';
import { createFeedHistory, type Wish } from '../testing/feed-history.ts';
import { appendHistory, LANE_PROJECTIONS, startLaneProjector, VERSIONS, type FeedDeps } from '../testing/lane-projector.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../testing/projector-world.ts';
import { createTestRedis, type TestRedis } from '../testing/redis.ts';
import { createBuild } from './build-store.ts';
import { resolveBuilds } from './builds.ts';
import { fillAbsent } from './computed-index.ts';
import { definedFeeds } from './fan-out.ts';
import { homeFeed, homeFeeds } from './home-feed.ts';
import { openLogFeed, type OpenLaneFeed } from './lane-feed.ts';
import { BUCKETS, keysOf } from './lane-keys.ts';
import { createLanes } from './lane-positions.ts';
import type { KeyDifference, LaneContext } from './lane-projection.ts';
import { createLogSource } from './lane-source.ts';
import { BUILDS_CHANNEL } from './leases.ts';

const NOW = new Date('2026-06-01T12:00:00.000Z');
let world: ProjectorWorld;
let server: TestRedis;
beforeAll(async () => { [world, server] = await Promise.all([openProjectorWorld(), createTestRedis()]); });
afterAll(async () => { await Promise.all([world.close(), server.close()]); });

/** A log feed whose deliveries wait for `mayDeliver`. */
const heldFeed = (mayDeliver: () => Promise<void>) => ({ databaseUrl, store, keys, log }: FeedDeps): OpenLaneFeed => (onChange) => {
  const source = createLogSource({ store, keys, log, limits: { events: 500, bytes: 1e7 } });
  return openLogFeed({ databaseUrl, log, source: { ...source, follow: (following) => source.follow({ ...following, deliver: async (events, passed) => {
    await mayDeliver();
    await following.deliver(events, passed);
  } }) } }, onChange);
};

it('a build that is taken up while a group of the log is on its way misses nothing that came before that group', async () => {
  let mayDeliver: () => Promise<void> = async () => undefined;
  const projector = await startLaneProjector({ eventStore: world.node.url, database: world.databaseUrl, redis: server.url }, { now: () => NOW, openFeed: heldFeed(() => mayDeliver()) });
  const history = createFeedHistory(NOW, 2);
  const append = async (...wishes: Wish[]) => {
    const from = history.log.length;
    for (const wish of wishes) history.wish(wish);
    return appendHistory(world.store, history.log.slice(from));
  };
  const passed = async (position: string) => eventually('the lanes pass it', () => projector.lanes.fed.every((build) => build.position >= position));
  const post = (which: number): Wish => ({ does: 8, who: 1, whom: 0, which });
  await appendHistory(world.store, history.log);
  await passed(await append({ does: 0, who: 0, whom: 0, which: 0 }, post(0)));

  const builds = await resolveBuilds(world.pool, VERSIONS);
  const contextOf = (prefix: string): LaneContext => ({ read: { sql: world.pool, builds }, prefix, now: () => NOW, indexes: createSortedIndexes(projector.redis, { prefix: `${prefix}:`, buckets: BUCKETS }) });
  const build = await createBuild(world.pool, { projection: homeFeed, storeId: world.store.storeId, state: 'building' });
  await createLanes(world.pool, build, await world.store.head());
  const context = contextOf(build.location);
  const { entries, keys, define } = definedFeeds(homeFeeds);
  await fillAbsent(context.indexes, history.accounts.map((id) => ({ id, key: keysOf(build.location, keys)(id) })), { limit: entries, compute: (ids) => define(context, ids, NOW) });

  await passed(await append(post(1)));
  const isTaken = () => projector.lanes.fed.some((one) => one.build.id === build.id);
  mayDeliver = () => eventually('the new build is taken up', isTaken);
  const last = await append(post(2));
  await world.pool.query('update projections.build set filled = true where id = $1', [build.id]);
  await world.pool.query(`notify ${BUILDS_CHANNEL}`);
  await eventually('the new build is fed', () => projector.lanes.fed.length === LANE_PROJECTIONS.length + 1 && projector.lanes.fed.every(({ position }) => position >= last));
  const found: KeyDifference[] = [];
  for await (const difference of homeFeed.differences(context, {})) found.push(difference);
  expect(found).toEqual([]);
  await projector.close();
});
