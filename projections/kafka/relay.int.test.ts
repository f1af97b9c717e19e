import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { several } from '../../testing/facts.ts';
import { kafkaForTests, readDomainEvents, testKafka, type TestKafka } from '../../testing/kafka.ts';
import { happened, type Fact } from '../../testing/projection-spec.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { laneOf } from '../lane-keys.ts';
import { startRelay, type Relay } from './relay.ts';
import { takeRelay } from './relay-checkpoint.ts';
import { lanesOfRecorded } from './relay-message.ts';
import { openPublisher } from './relay-publisher.ts';

const given = kafkaForTests(process.env['TEST_KAFKA_BROKERS']);
const KILLS = process.env['LONG_TESTS'] === '1' ? 12 : 3;
const accounts = several.accounts(60);
const follows = (count: number): Fact[] =>
  Array.from({ length: count }, (_, i) =>
    happened('AccountFollowed', { followerId: accounts[i % 60]!, followeeId: accounts[(i * 7 + 1) % 60]! }),
  );

describe.skipIf(given === undefined)('the relay', () => {
  let world: ProjectorWorld;
  let kafka: TestKafka;
  beforeAll(async () => {
    world = await openProjectorWorld();
  });
  afterAll(async () => {
    await world.close();
  });
  const inNewTopic = () => {
    kafka = testKafka((given as TestKafka).brokers);
  };
  const relays = new Set<Relay>();
  const start = (more: { uninvited?: boolean } = {}) => {
    const relay = startRelay({
      ...kafka,
      pool: world.pool,
      databaseUrl: world.databaseUrl,
      store: world.store,
      log: world.log,
      ...more,
    });
    relays.add(relay);
    return relay;
  };
  const end = async (...some: Relay[]) => {
    await Promise.all(some.map((relay) => relay.close()));
    for (const relay of some) relays.delete(relay);
  };
  afterEach(() => end(...relays));
  const published = (relay: Relay, position: Position) =>
    eventually('the relay has published it', () => (relay.position ?? '') >= position);

  /** The log, lane by lane, as the owners of its events say. */
  async function logByLane(after: Position): Promise<Map<number, RecordedEvent[]>> {
    const lanes = new Map<number, RecordedEvent[]>();
    for await (const event of world.store.readAll({ after }))
      for (const lane of lanesOfRecorded(event)) lanes.set(lane, [...(lanes.get(lane) ?? []), event]);
    return lanes;
  }

  /**
   * What a consumer keeps that leaves out what it has had, and how much it left out; fails where it cannot know what
   * lies between two messages.
   */
  async function takenFromKafka(
    from: Position,
  ): Promise<{ events: Map<number, string[]>; repeated: number; ends: Position[] }> {
    const events = new Map<number, string[]>();
    const ends: Position[] = [];
    let repeated = 0;
    for (const [lane, messages] of await readDomainEvents(kafka)) {
      let at: string = from;
      for (const { headers, value } of messages) {
        expect(headers['after']! <= at, 'no hole').toBe(true);
        if (headers['position']! <= at) repeated += value === null ? 0 : 1;
        else if (value !== null) events.set(lane, [...(events.get(lane) ?? []), headers['event-id']!]);
        if (headers['position']! > at) at = headers['position']!;
      }
      ends.push(at as Position);
    }
    return { events, repeated, ends };
  }

  const idsByLane = (lanes: Map<number, RecordedEvent[]>) =>
    new Map([...lanes].map(([lane, events]) => [lane, events.map(({ id }) => id)]));

  it('publishes each event to the partitions of its owners in log order, with its trace, and tells idle ones how far the log is', async () => {
    inNewTopic();
    const from = await world.store.head();
    const relay = start();
    const traced = await world.append(...follows(400));
    await published(relay, traced);
    await eventually('nothing is owed', async () =>
      (await takenFromKafka(START_OF_LOG)).ends.every((end) => end === traced),
    );
    await end(relay);
    const { events, ends } = await takenFromKafka(START_OF_LOG);
    expect(ends).toHaveLength(32);
    expect(events).toEqual(idsByLane(await logByLane(START_OF_LOG)));
    expect(from < traced).toBe(true);
    expect(events.get(laneOf(accounts[0]!))!.length).toBeGreaterThan(0);
  });

  it('goes on exactly where it was, killed at any point', async () => {
    inNewTopic();
    const { position: from } = await takeRelay(world.pool, world.store.storeId);
    const args = ['testing/relay-process.ts', world.node.url, world.databaseUrl, kafka.brokers, kafka.prefix];
    // All at once: one has the lead, and the next takes over when that one is killed.
    const children = Array.from({ length: KILLS }, () =>
      spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    const leading = new Map(children.map((child) => [child, once(child.stdout, 'data').then(() => child)]));
    let last = from;
    for (let round = 0; round < KILLS; round += 1) {
      const leader = await Promise.race(leading.values());
      leading.delete(leader);
      const appending = (async () => {
        for (let i = 0; i < 8; i += 1) last = await world.append(...follows(40));
      })();
      await delay(round * 23);
      await Promise.all([kill(leader), appending]);
    }
    const relay = start();
    await published(relay, last);
    await end(relay);
    const { events } = await takenFromKafka(from);
    expect(events).toEqual(idsByLane(await logByLane(from)));
  });

  it('is shut out by another relay that takes over, and so is what it had under way', async () => {
    inNewTopic();
    const { position: from } = await takeRelay(world.pool, world.store.storeId);
    const first = start();
    await published(first, await world.append(...follows(10)));
    const late = await openPublisher(kafka.kafka, {
      topic: `${kafka.prefix}domain-events`,
      transactionalId: `${kafka.prefix}relay`,
    });
    const second = start({ uninvited: true });
    await published(second, await world.append(...follows(50)));
    await expect(late.publish([{ partition: 0, key: 'late', value: 'late' }])).rejects.toThrow();
    await Promise.all([end(first, second), late.close()]);
    const { events } = await takenFromKafka(from);
    expect(events).toEqual(idsByLane(await logByLane(from)));
  });

  it('leaves the lead to one of several', async () => {
    inNewTopic();
    const first = start();
    await eventually('it leads', () => first.leads && first.position !== undefined);
    const second = start();
    await delay(700);
    expect([second.leads, second.trouble]).toEqual([false, undefined]);
    await end(first);
    await published(second, await world.append(...follows(5)));
    expect(second.lagSeconds).toBe(0);
  });
});

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
