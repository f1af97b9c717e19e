import { createSortedIndexes } from '../infra/redis/sorted-indexes.ts';
import { resolveBuilds } from '../projections/builds/builds.ts';
import { obtainIndex } from '../projections/feeds/computed-index.ts';
import { feedsByDefinition, POSTS } from '../projections/feeds/feed-definition.ts';
import { BUCKETS, keysOf } from '../projections/lane-keys.ts';
import type { KeyDifference, LaneContext } from '../projections/lane-projection.ts';
import { startRelay, type Relay } from '../projections/kafka/relay.ts';
import { groupFeed, type TestKafka } from './kafka.ts';
import { LANE_PROJECTIONS, startLaneProjector, VERSIONS, type RunningProjector } from './lane-projector.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from './projector-world.ts';
import { createTestRedis, type TestRedis } from './redis.ts';

/** A log, its stores, a relay, and as many projectors fed from Kafka as a test starts. */
export type KafkaLanesWorld = {
  readonly world: ProjectorWorld;
  readonly server: TestRedis;
  readonly relay: Relay;
  start(): Promise<RunningProjector>;
  /** Closes the projectors that `start` started and that are still open. */
  endProjectors(): Promise<void>;
  /** Reads home feeds as the API does, so that the keys exist. */
  readFeeds(projector: RunningProjector, accounts: readonly string[]): Promise<void>;
  /** Resolves when all lanes, in whichever process they are, have passed the head of the log. */
  allPassed(limitMs?: number): Promise<void>;
  /** The keys that do not equal the definition once all lanes have passed the head. */
  differences(projector: RunningProjector, limitMs?: number): Promise<KeyDifference[]>;
  /** The entries of home feeds that exist, by account. */
  feeds(projector: RunningProjector, accounts: readonly string[]): Promise<(readonly string[] | undefined)[]>;
  close(): Promise<void>;
};

const READ_AT_ONCE = 500;

/** Opens a world at the clock time `now`. */
export async function openKafkaLanesWorld(kafka: TestKafka, now: Date): Promise<KafkaLanesWorld> {
  const [world, server] = await Promise.all([openProjectorWorld(), createTestRedis()]);
  const relay = startRelay({
    ...kafka,
    pool: world.pool,
    databaseUrl: world.databaseUrl,
    store: world.store,
    log: world.log,
  });

  const open = new Set<RunningProjector>();
  const contextOf = async (projector: RunningProjector, name: string): Promise<LaneContext> => {
    const builds = await resolveBuilds(world.pool, VERSIONS);
    const prefix = builds.prefix(name);
    return {
      read: { sql: world.pool, builds },
      prefix,
      now: () => now,
      indexes: createSortedIndexes(projector.redis, { prefix: `${prefix}:`, buckets: BUCKETS }),
    };
  };
  const allPassed = async (limitMs = 90_000) => {
    const head = await world.store.head();
    await eventually(
      'all lanes pass the head of the log',
      async () => {
        const { rows } = await world.pool.query<{ lanes: string; low: string | null }>(
          'select count(*) as lanes, min(position) as low from projections.lane',
        );
        const [found] = rows;
        return Number(found?.lanes) === 32 * LANE_PROJECTIONS.length && (found?.low ?? '') >= head;
      },
      limitMs,
    );
  };
  return {
    world,
    server,
    relay,
    allPassed,
    start: async () => {
      const projector = await startLaneProjector(
        { eventStore: world.node.url, database: world.databaseUrl, redis: server.url },
        { now: () => now, openFeed: groupFeed(kafka) },
      );
      const close = async () => {
        if (open.delete(one)) await projector.close();
      };
      const one = { ...projector, close };
      open.add(one);
      return one;
    },
    endProjectors: async () => {
      await Promise.all([...open].map((one) => one.close()));
    },
    readFeeds: async (projector, accounts) => {
      const { read, prefix, indexes } = await contextOf(projector, 'home-feed');
      for (let from = 0; from < accounts.length; from += READ_AT_ONCE) {
        const some = accounts.slice(from, from + READ_AT_ONCE);
        const computed = await feedsByDefinition(read, POSTS, some, now);
        await Promise.all(
          some.map((id) =>
            obtainIndex(
              indexes,
              {
                key: keysOf(prefix, 'feed')(id),
                limit: POSTS.feedEntries,
                compute: () => Promise.resolve(computed.get(id) ?? []),
              },
              0,
            ),
          ),
        );
      }
    },
    differences: async (projector, limitMs) => {
      await allPassed(limitMs);
      const found: KeyDifference[] = [];
      for (const projection of LANE_PROJECTIONS) {
        for await (const difference of projection.differences(await contextOf(projector, projection.name), {}))
          found.push(difference);
      }
      return found;
    },
    feeds: async (projector, accounts) => {
      const { prefix, indexes } = await contextOf(projector, 'home-feed');
      const found = await indexes.newest(accounts.map(keysOf(prefix, 'feed')), {
        limit: POSTS.feedEntries,
        renewMs: 0,
      });
      return found.map((one) => (one.state === 'complete' ? one.entries.map(({ id }) => id) : undefined));
    },
    close: async () => {
      await relay.close();
      await Promise.all([world.close(), server.close()]);
    },
  };
}
