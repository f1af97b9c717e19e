import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AccountId } from '../../domain/ids.ts';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import { createFeedHistory, type FeedHistory } from '../../testing/feed-history.ts';
import {
  appendHistory,
  LANE_PROJECTIONS,
  startLaneProjector,
  VERSIONS,
  type RunningProjector,
} from '../../testing/lane-projector.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { emptyRedis } from '../../testing/redis-contents.ts';
import { createTestRedis, type TestRedis } from '../../testing/redis.ts';
import { watchBackpressure } from './backpressure.ts';
import { resolveBuilds } from '../builds/builds.ts';
import { IDLE_BELOW_MS, obtainIndex } from './computed-index.ts';
import { feedsByDefinition, POSTS } from './feed-definition.ts';
import { BUCKETS, keysOf } from '../lane-keys.ts';
import type { LaneContext } from '../lane-projection.ts';

const NOW = new Date('2026-06-01T12:00:00.000Z');
const lag = { events: 0 };
let world: ProjectorWorld;
let server: TestRedis;
let projector: RunningProjector;
let history: FeedHistory;
let context: LaneContext;
let keyOf: (viewer: string) => string;

beforeAll(async () => {
  [world, server] = await Promise.all([openProjectorWorld(), createTestRedis()]);
  const backpressure = watchBackpressure(
    { limits: { alert: 100, active: 500, none: 1_000 }, lagOf: () => lag.events },
    [],
  );
  projector = await startLaneProjector(
    { eventStore: world.node.url, database: world.databaseUrl, redis: server.url },
    { now: () => NOW, backpressure },
  );
  const builds = await resolveBuilds(world.pool, VERSIONS);
  const prefix = builds.prefix('home-feed');
  context = {
    read: { sql: world.pool, builds },
    prefix,
    now: () => NOW,
    indexes: createSortedIndexes(projector.redis, { prefix: `${prefix}:`, buckets: BUCKETS }),
  };
  keyOf = keysOf(prefix, 'feed');
});
afterAll(async () => {
  await projector.close();
  await world.close();
  await server.close();
});

/** Everybody follows the first account. */
beforeEach(async () => {
  lag.events = 0;
  history = createFeedHistory(NOW, 3);
  for (const who of [1, 2]) history.wish({ does: 0, who, whom: 0, which: 0 });
  await tell(history.log);
  await eventually('feeds may be kept', async () => {
    await Promise.all(viewers().map(read));
    return (await kept()).length === 2;
  });
});

const viewers = () => history.accounts.slice(1);

async function tell(events: FeedHistory['log']): Promise<void> {
  await appendHistory(world.store, events);
  const head = await world.store.head();
  await eventually(
    'all lanes pass the head of the log',
    () =>
      projector.lanes.fed.length === LANE_PROJECTIONS.length &&
      projector.lanes.fed.every(({ position }) => position >= head),
  );
}

/** Publishes a post of the first account, `daysAgo` old. */
async function post(daysAgo: number): Promise<void> {
  const from = history.log.length;
  history.wish({ does: 8, who: 0, whom: 0, which: daysAgo });
  await tell(history.log.slice(from));
}

async function read(viewer: AccountId): Promise<string[]> {
  const compute = async () => (await feedsByDefinition(context.read, POSTS, [viewer], NOW)).get(viewer) ?? [];
  const { entries } = await obtainIndex(context.indexes, { key: keyOf(viewer), limit: POSTS.feedEntries, compute }, 0);
  return entries.map(({ id }) => id);
}

/** The keys of the viewers' feeds that are there. */
async function kept(): Promise<string[]> {
  const keys = viewers().map(keyOf);
  const found = await context.indexes.newest(keys, { limit: 1, renewMs: 0 });
  return keys.filter((_, i) => found[i]?.state === 'complete');
}

async function expectAllIsThere(): Promise<void> {
  for (const viewer of viewers())
    expect(await read(viewer)).toEqual(history.feedOf('post', viewer, { entries: 500, windowMs: POSTS.windowMs }));
}

describe('fan-out that is behind', () => {
  it('keeps only the feeds that were read lately, and the others are complete when their readers return', async () => {
    const [active, idle] = viewers();
    await projector.redis.pexpire(keyOf(idle!), IDLE_BELOW_MS - 1_000);
    lag.events = 501;
    await post(1);
    expect(await kept()).toEqual([keyOf(active!)]);
    await expectAllIsThere();
    expect(await kept()).toHaveLength(2);
  });

  it('stops when it is far behind, and begins again, without a loss, once it is near the head', async () => {
    await post(3);
    lag.events = 1_001;
    await post(2);
    expect(await kept()).toEqual([]);
    await expectAllIsThere();
    expect(await kept()).toEqual([]);
    lag.events = 100;
    await post(1);
    await expectAllIsThere();
    expect(await kept()).toEqual([]);
    lag.events = 99;
    await eventually('feeds are kept again', async () => {
      await expectAllIsThere();
      return (await kept()).length === 2;
    });
    await post(0);
    expect(await kept()).toHaveLength(2);
    await expectAllIsThere();
  });

  it('loses nothing when Redis is emptied while it is stopped', async () => {
    lag.events = 1_001;
    await post(2);
    await emptyRedis(projector.redis);
    await expectAllIsThere();
    await post(1);
    await expectAllIsThere();
    expect(await kept()).toEqual([]);
    lag.events = 0;
    await post(0);
    await expectAllIsThere();
  });
});
