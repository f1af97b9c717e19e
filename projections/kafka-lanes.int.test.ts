import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DomainEvent } from '../domain/event-log.ts';
import { createSortedIndexes } from '../infra/sorted-indexes.ts';
import { createFeedHistory, type FeedHistory, type Wish } from '../testing/feed-history.ts';
import { groupFeed, kafkaForTests, type TestKafka } from '../testing/kafka.ts';
import { appendHistory, LANE_PROJECTIONS, startLaneProjector, VERSIONS, type RunningProjector } from '../testing/lane-projector.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../testing/projector-world.ts';
import { createTestRedis, type TestRedis } from '../testing/redis.ts';
import { resolveBuilds } from './builds.ts';
import { obtainIndex } from './computed-index.ts';
import { feedsByDefinition, POSTS } from './feed-definition.ts';
import { BUCKETS, keysOf } from './lane-keys.ts';
import type { KeyDifference, LaneContext } from './lane-projection.ts';
import { startRelay, type Relay } from './relay.ts';

const NOW = new Date('2026-06-01T12:00:00.000Z');
const given = kafkaForTests(process.env['TEST_KAFKA_BROKERS']);

describe.skipIf(given === undefined)('lanes fed from Kafka', () => {
  let world: ProjectorWorld;
  let server: TestRedis;
  let relay: Relay;
  const kafka = given as TestKafka;
  beforeAll(async () => {
    [world, server] = await Promise.all([openProjectorWorld(), createTestRedis()]);
    relay = startRelay({ ...kafka, pool: world.pool, databaseUrl: world.databaseUrl, store: world.store, log: world.log });
  });
  afterAll(async () => {
    await relay.close();
    await Promise.all([world.close(), server.close()]);
  });

  const start = () => startLaneProjector({ eventStore: world.node.url, database: world.databaseUrl, redis: server.url }, { now: () => NOW, openFeed: groupFeed(kafka) });

  async function contextOf(projector: RunningProjector, name: string): Promise<LaneContext> {
    const builds = await resolveBuilds(world.pool, VERSIONS);
    const prefix = builds.prefix(name);
    return { read: { sql: world.pool, builds }, prefix, now: () => NOW, indexes: createSortedIndexes(projector.redis, { prefix: `${prefix}:`, buckets: BUCKETS }) };
  }

  /** Reads home feeds as the API does, so that the keys exist. */
  async function readFeeds(projector: RunningProjector, accounts: readonly string[]): Promise<void> {
    const { read, prefix, indexes } = await contextOf(projector, 'home-feed');
    for (let from = 0; from < accounts.length; from += 50) {
      await Promise.all(accounts.slice(from, from + 50).map(async (id) => {
        const compute = async () => (await feedsByDefinition(read, POSTS, [id], NOW)).get(id) ?? [];
        await obtainIndex(indexes, { key: keysOf(prefix, 'feed')(id), limit: POSTS.feedEntries, compute }, 0);
      }));
    }
  }

  /** All lanes, in whichever process they are, have passed the head of the log. */
  async function allPassed(limitMs = 30_000): Promise<void> {
    const head = await world.store.head();
    await eventually('all lanes pass the head of the log', async () => {
      const { rows } = await world.pool.query<{ lanes: string; low: string | null }>('select count(*) as lanes, min(position) as low from projections.lane');
      return Number(rows[0]!.lanes) === 32 * LANE_PROJECTIONS.length && rows[0]!.low! >= head;
    }, limitMs);
  }

  async function expectEqualToDefinition(projector: RunningProjector): Promise<void> {
    await allPassed();
    const found: KeyDifference[] = [];
    for (const projection of LANE_PROJECTIONS) {
      for await (const difference of projection.differences(await contextOf(projector, projection.name), {})) found.push(difference);
    }
    expect(found).toEqual([]);
  }

  const lanesOf = ({ lanes }: RunningProjector) => lanes.fed.find(({ projection }) => projection.name === 'home-feed')?.workers.map(({ lane }) => lane) ?? [];
  const random = (seed: number, count: number): Wish[] => fc.sample(fc.record({ does: fc.nat(18), who: fc.nat(9), whom: fc.nat(9), which: fc.nat(47) }), { seed, numRuns: count });
  const live = (history: FeedHistory, wishes: readonly Wish[]): DomainEvent[] => {
    const from = history.log.length;
    for (const wish of wishes) history.wish(wish);
    return history.log.slice(from);
  };

  it('equal the definition while members come and go, each lane in one process at a time', async () => {
    const history = createFeedHistory(NOW, 10);
    await appendHistory(world.store, [...history.log, ...live(history, random(1, 100))]);
    const first = await start();
    await expectEqualToDefinition(first);
    await readFeeds(first, history.accounts);
    const epoch = first.lanes.fed[0]!.workers[0]!.epoch;
    const second = await start();
    const [appended] = await Promise.all([
      appendHistory(world.store, live(history, random(2, 150))),
      eventually('both have lanes', () => lanesOf(first).length === 16 && lanesOf(second).length === 16),
    ]);
    expect(appended).toBeDefined();
    expect([...lanesOf(first), ...lanesOf(second)].toSorted((a, b) => a - b)).toEqual([...Array(32).keys()]);
    expect(second.lanes.fed[0]!.workers[0]!.epoch).toBeGreaterThan(epoch);
    await expectEqualToDefinition(first);
    await second.close();
    await appendHistory(world.store, live(history, random(3, 100)));
    await eventually('the first has all lanes', () => lanesOf(first).length === 32);
    await expectEqualToDefinition(first);
    expect(first.lanes.trouble).toBeUndefined();
    await first.close();
  });
});
