import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DomainEvent } from '../../domain/event-log.ts';
import type { AccountId } from '../../domain/ids.ts';
import { newId } from '../../infra/ids.ts';
import { aPost, registered, several } from '../../testing/facts.ts';
import { createFeedHistory, type FeedHistory, type Wish } from '../../testing/feed-history.ts';
import { kafkaForTests, type TestKafka } from '../../testing/kafka.ts';
import { openKafkaLanesWorld, type KafkaLanesWorld } from '../../testing/kafka-lanes-world.ts';
import { appendHistory, type RunningProjector } from '../../testing/lane-projector.ts';
import { happened } from '../../testing/projection-spec.ts';
import { eventually } from '../../testing/projector-world.ts';
import { laneOf } from '../lane-keys.ts';
import { domainEventsTopic } from './relay-message.ts';

const NOW = new Date('2026-06-01T12:00:00.000Z');
const FOLLOWERS = 5_000;
const given = kafkaForTests(process.env['TEST_KAFKA_BROKERS']);

const lanesOf = ({ lanes }: RunningProjector) =>
  lanes.fed.find(({ projection }) => projection.name === 'home-feed')?.workers.map(({ lane }) => lane) ?? [];
const random = (seed: number, count: number): Wish[] =>
  fc.sample(fc.record({ does: fc.nat(18), who: fc.nat(9), whom: fc.nat(9), which: fc.nat(47) }), {
    seed,
    numRuns: count,
  });
const live = (history: FeedHistory, wishes: readonly Wish[]): DomainEvent[] => {
  const from = history.log.length;
  for (const wish of wishes) history.wish(wish);
  return history.log.slice(from);
};

describe.skipIf(given === undefined)('lanes fed from Kafka', () => {
  const kafka = given as TestKafka;
  let of: KafkaLanesWorld;
  beforeAll(async () => {
    of = await openKafkaLanesWorld(kafka, NOW);
  });
  afterEach(async () => {
    await of.endProjectors();
  });
  afterAll(async () => {
    await of.close();
  });

  it('equal the definition while members come and go, each lane in one process at a time', async () => {
    const history = createFeedHistory(NOW, 10);
    await appendHistory(of.world.store, [...history.log, ...live(history, random(1, 100))]);
    const first = await of.start();
    await eventually('it has all lanes', () => lanesOf(first).length === 32);
    expect(await of.differences(first)).toEqual([]);
    await of.readFeeds(first, history.accounts);
    const epochIn = ({ lanes }: RunningProjector) => lanes.fed[0]?.workers[0]?.epoch ?? 0;
    let epoch = 0;
    await eventually('it tells an epoch', () => (epoch = epochIn(first)) > 0);
    const second = await of.start();
    await Promise.all([
      appendHistory(of.world.store, live(history, random(2, 150))),
      eventually(
        'they have divided the lanes',
        () => lanesOf(first).length === 16 && new Set([...lanesOf(first), ...lanesOf(second)]).size === 32,
      ),
    ]);
    await eventually('the new one holds its lanes under new epochs', () => epochIn(second) > epoch);
    expect(await of.differences(first)).toEqual([]);
    await second.close();
    await appendHistory(of.world.store, live(history, random(3, 100)));
    await eventually('the first has all lanes', () => lanesOf(first).length === 32);
    expect(await of.differences(first)).toEqual([]);
    expect(first.lanes.trouble).toBeUndefined();
  });

  it('read from the log what a lost topic no longer tells them', async () => {
    const history = createFeedHistory(NOW, 10);
    const projector = await of.start();
    await appendHistory(of.world.store, history.log);
    expect(await of.differences(projector)).toEqual([]);
    await of.readFeeds(projector, history.accounts);
    await projector.close();
    const end = await appendHistory(of.world.store, live(history, random(4, 200)));
    await eventually('the relay has published it', () => (of.relay.position ?? '') >= end);
    const admin = kafka.kafka.admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [domainEventsTopic(kafka.prefix).topic] });
    await admin.disconnect();
    await appendHistory(of.world.store, live(history, random(5, 20)));
    const next = await of.start();
    expect(await of.differences(next)).toEqual([]);
  });

  it('finish a fan-out to 5,000 followers when the process that was at it is killed', async () => {
    const here = await of.start();
    const args = [
      'testing/kafka-lane-process.ts',
      of.world.node.url,
      of.world.databaseUrl,
      of.server.url,
      NOW.toISOString(),
      kafka.brokers,
      kafka.prefix,
    ];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await eventually('both have lanes', () => lanesOf(here).length === 16);
    const author = accountWhere((id) => !lanesOf(here).includes(laneOf(id)));
    const followers = several.accounts(FOLLOWERS);
    await of.world.append(
      ...[author, ...followers].map((id) => registered(id, id.slice(-20))),
      ...followers.map((id) => happened('AccountFollowed', { followerId: id, followeeId: author })),
    );
    await of.allPassed();
    await of.readFeeds(here, followers);
    const posts = several.posts(60).map((postId) => ({ postId, authorId: author }));
    const sample = [...followers.slice(0, 20), ...followers.slice(-20)];
    const deliveries = async () => (await of.feeds(here, sample)).reduce((sum, feed) => sum + (feed?.length ?? 0), 0);
    await of.world.append(
      ...posts.flatMap((post) => [aPost.created(post), aPost.published(post, '2026-06-01T11:00:00.000Z')]),
    );
    await eventually('the fan-out has begun', async () => (await deliveries()) > 0);
    await kill(child);
    const atKill = await deliveries();
    await eventually('the other has all lanes', () => lanesOf(here).length === 32);
    expect(await of.differences(here)).toEqual([]);
    expect(await deliveries()).toBe(sample.length * posts.length);
    expect(atKill).toBeLessThan(sample.length * posts.length);
  });
});

function accountWhere(fits: (id: AccountId) => boolean): AccountId {
  for (;;) {
    const id = newId.account();
    if (fits(id)) return id;
  }
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
