import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serversOf } from '../../infra/redis/redis.ts';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import { createFeedHistory, type FeedHistory, type Wish } from '../../testing/feed-history.ts';
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
import { resolveBuilds } from '../builds/builds.ts';
import { obtainIndex } from '../feeds/computed-index.ts';
import { feedsByDefinition, POSTS } from '../feeds/feed-definition.ts';
import { BUCKETS, keysOf } from '../lane-keys.ts';
import type { KeyDifference, LaneContext } from '../lane-projection.ts';

const NOW = new Date('2026-06-01T12:00:00.000Z');
let world: ProjectorWorld;
let server: TestRedis;
beforeAll(async () => {
  [world, server] = await Promise.all([openProjectorWorld(), createTestRedis()]);
});
afterAll(async () => {
  await Promise.all([world.close(), server.close()]);
});

const addresses = () => ({ eventStore: world.node.url, database: world.databaseUrl, redis: server.url });
const start = () => startLaneProjector(addresses(), { now: () => NOW });

async function contextOf(projector: RunningProjector, name: string): Promise<LaneContext> {
  const builds = await resolveBuilds(world.pool, VERSIONS);
  const prefix = builds.prefix(name);
  return {
    read: { sql: world.pool, builds },
    prefix,
    now: () => NOW,
    indexes: createSortedIndexes(projector.redis, { prefix: `${prefix}:`, buckets: BUCKETS }),
  };
}

/** Reads home feeds as the API does, so that the keys exist. */
async function readFeeds(projector: RunningProjector, history: FeedHistory): Promise<void> {
  const { read, prefix, indexes } = await contextOf(projector, 'home-feed');
  for (const id of history.accounts) {
    const compute = async () => (await feedsByDefinition(read, POSTS, [id], NOW)).get(id) ?? [];
    await obtainIndex(indexes, { key: keysOf(prefix, 'feed')(id), limit: POSTS.feedEntries, compute }, 0);
  }
}

async function expectEqualToDefinition(projector: RunningProjector): Promise<void> {
  const head = await world.store.head();
  await eventually(
    'all lanes pass the head of the log',
    () =>
      projector.lanes.fed.length === LANE_PROJECTIONS.length &&
      projector.lanes.fed.every(({ position }) => position >= head),
  );
  const found: KeyDifference[] = [];
  for (const projection of LANE_PROJECTIONS) {
    for await (const difference of projection.differences(await contextOf(projector, projection.name), {}))
      found.push(difference);
  }
  expect(found).toEqual([]);
}

const random = (seed: number, count: number): Wish[] =>
  fc.sample(fc.record({ does: fc.nat(18), who: fc.nat(9), whom: fc.nat(9), which: fc.nat(47) }), {
    seed,
    numRuns: count,
  });
const live = (history: FeedHistory, wishes: readonly Wish[]) => {
  const from = history.log.length;
  for (const wish of wishes) history.wish(wish);
  return history.log.slice(from);
};

describe('lanes', () => {
  it('keep feeds equal to the definition while the log grows, and tell how far they are', async () => {
    const history = createFeedHistory(NOW, 10);
    await appendHistory(world.store, [...history.log, ...live(history, random(1, 150))]);
    const projector = await start();
    await expectEqualToDefinition(projector);
    await readFeeds(projector, history);
    const last = await appendHistory(world.store, live(history, random(2, 150)));
    await expectEqualToDefinition(projector);
    await eventually('positions are stored', async () => {
      const { rows } = await world.pool.query<{ low: string }>('select min(position) as low from projections.lane');
      return rows[0]!.low >= last;
    });
    await projector.close();
  });

  it('end in the definition when their process is killed again and again', async () => {
    const history = createFeedHistory(NOW, 10);
    await appendHistory(world.store, history.log);
    const reader = await start();
    await readFeeds(reader, history);
    await reader.close();
    for (let round = 0; round < 4; round += 1) {
      const child = spawn(
        process.execPath,
        ['testing/lane-process.ts', world.node.url, world.databaseUrl, server.url, NOW.toISOString()],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      await once(child.stdout, 'data');
      const appending = appendHistory(world.store, live(history, random(10 + round, 60)));
      await delay(20 + 60 * round);
      await kill(child);
      await appending;
    }
    const projector = await start();
    await expectEqualToDefinition(projector);
    await readFeeds(projector, history);
    await expectEqualToDefinition(projector);
    await projector.close();
  });

  it('go on after Redis was emptied', async () => {
    const history = createFeedHistory(NOW, 6);
    const projector = await start();
    await appendHistory(world.store, [...history.log, ...live(history, random(20, 80))]);
    await readFeeds(projector, history);
    await emptyRedis(projector.redis);
    await readFeeds(projector, history);
    await appendHistory(world.store, live(history, random(21, 80)));
    await expectEqualToDefinition(projector);
    await projector.close();
  });

  it('go back when Redis returns with an older state, so that a deleted post does not return for good', async () => {
    const history = createFeedHistory(NOW, 2);
    const projector = await start();
    const [a, b] = history.accounts;
    await appendHistory(world.store, [
      ...history.log,
      ...live(history, [
        { does: 0, who: 0, whom: 0, which: 0 },
        { does: 8, who: 1, whom: 0, which: 0 },
      ]),
    ]);
    await expectEqualToDefinition(projector);
    await readFeeds(projector, history);
    await marksAtHead(projector);
    const before = await dump(projector);
    expect(history.feedOf('post', a!, { entries: 9, windowMs: POSTS.windowMs })).toHaveLength(1);
    await appendHistory(world.store, live(history, [{ does: 12, who: 1, whom: 0, which: 0 }]));
    await expectEqualToDefinition(projector);
    await marksAtHead(projector);
    await restore(before);
    const { indexes, prefix } = await contextOf(projector, 'home-feed');
    await eventually('the post is gone again', async () => {
      const [found] = await indexes.newest([keysOf(prefix, 'feed')(a!)], { limit: 9, renewMs: 0 });
      return found?.state === 'complete' && found.entries.length === 0;
    });
    await expectEqualToDefinition(projector);
    await projector.close();
    expect(b).toBeDefined();
  });

  it('are left to another projector by one that cannot open them, which says why', async () => {
    const url = new URL(world.databaseUrl);
    url.searchParams.set('application_name', 'without-lanes');
    const broken = await startLaneProjector({ ...addresses(), database: url.href }, { now: () => NOW });
    await eventually('it feeds', () => broken.lanes.fed.length === LANE_PROJECTIONS.length);
    await world.pool
      .query(`create function public.refuse_lanes() returns trigger language plpgsql as $$ begin raise exception 'these lanes are refused'; end $$;
      create trigger refuse_lanes before insert or update on projections.lane for each statement when (current_setting('application_name') = 'without-lanes') execute function public.refuse_lanes()`);
    await world.pool.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'without-lanes'",
    );
    await eventually(
      'it cannot open them',
      () => broken.lanes.trouble?.includes('refused') === true && broken.lanes.fed.length === 0,
    );
    const other = await start();
    await eventually('the other one feeds', () => other.lanes.fed.length === LANE_PROJECTIONS.length);
    expect(broken.lanes.trouble).toContain('refused');
    await world.pool.query('drop trigger refuse_lanes on projections.lane; drop function public.refuse_lanes()');
    await other.close();
    await eventually('the first one feeds again', () => broken.lanes.fed.length === LANE_PROJECTIONS.length);
    await broken.close();
  });

  it('are taken over by another projector, whose writes then are the only ones that count', async () => {
    const history = createFeedHistory(NOW, 4);
    const first = await start();
    await appendHistory(world.store, [...history.log, ...live(history, random(30, 40))]);
    await readFeeds(first, history);
    const epoch = first.lanes.fed.find(({ projection }) => projection.name === 'home-feed')!.workers[0]!.epoch;
    const second = await start();
    await first.close();
    await eventually('the second feeds', () => second.lanes.fed.length === LANE_PROJECTIONS.length);
    const { indexes, prefix } = await contextOf(second, 'home-feed');
    const late = indexes.apply([{ lane: 0, epoch }], { entries: 500, slack: 0.1 }, [
      { keys: [keysOf(prefix, 'feed')(history.accounts[0]!)], add: [{ id: 'post_late', score: 1 }], remove: [] },
    ]);
    await expect(late).rejects.toThrow(/has epoch/);
    await appendHistory(world.store, live(history, random(31, 40)));
    await expectEqualToDefinition(second);
    await second.close();
  });
});

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

async function marksAtHead(projector: RunningProjector): Promise<void> {
  const head = await world.store.head();
  const { indexes } = await contextOf(projector, 'home-feed');
  await eventually('marks reach the head', async () =>
    (await indexes.marks([...Array(32).keys()])).every((mark) => mark !== undefined && mark >= head),
  );
}

/** What each server holds. */
async function dump({ redis }: RunningProjector): Promise<Map<Redis, Map<string, Buffer>>> {
  const all = new Map<Redis, Map<string, Buffer>>();
  for (const server of serversOf(redis)) {
    const held = new Map<string, Buffer>();
    for (const key of await server.keys('*')) held.set(key, (await server.dumpBuffer(key))!);
    all.set(server, held);
  }
  return all;
}

// In one step, and a transaction would not cross the slots of a cluster's master.
const RESTORE = `#!lua flags=allow-cross-slot-keys
redis.call('FLUSHDB')
for i = 1, #ARGV, 2 do redis.call('RESTORE', ARGV[i], 0, ARGV[i + 1]) end`;

async function restore(state: Map<Redis, Map<string, Buffer>>): Promise<void> {
  for (const [server, held] of state) await server.eval(RESTORE, 0, ...[...held].flat());
}
