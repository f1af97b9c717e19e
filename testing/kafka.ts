import { randomUUID } from 'node:crypto';
import type { Kafka } from 'kafkajs';
import { openKafka } from '../infra/kafka/kafka.ts';
import { createLog } from '../infra/process/log.ts';
import { openKafkaFeed } from '../projections/kafka/kafka-lanes.ts';
import { domainEventsTopic } from '../projections/kafka/relay-message.ts';
import type { OpenLaneFeed } from '../projections/lanes/lane-feed.ts';
import type { FeedDeps } from './lane-projector.ts';

/** A Kafka for one test file: names that begin with `prefix` are its own. */
export type TestKafka = { readonly kafka: Kafka; readonly brokers: string; readonly prefix: string };

/** Brokers leave a dead member its lanes for so long at least. */
export const SHORTEST_SESSION_MS = 6_000;

/** The Kafka at `brokers`; undefined, with a line that says so, when there is none. Throws under CI=true instead. */
export function kafkaForTests(brokers: string | undefined): TestKafka | undefined {
  if (brokers) return testKafka(brokers);
  const reason = 'TEST_KAFKA_BROKERS is not set: tests on Kafka are skipped (npm test starts one)';
  if (process.env['CI'] === 'true') throw new Error(reason);
  console.warn(reason);
  return undefined;
}

/** Names of its own in a Kafka that is known to be there. */
export function testKafka(brokers: string, prefix = `test-${randomUUID().slice(0, 8)}.`): TestKafka {
  const log = createLog({ process: 'test-kafka', level: process.env['TEST_LOG_LEVEL'] ?? 'silent' });
  return { kafka: openKafka({ brokers: brokers.split(','), prefix }, log), brokers, prefix };
}

/** Lanes fed by the consumer group of a test, for `startLaneProjector`. */
export function groupFeed({ kafka, prefix }: TestKafka): (deps: FeedDeps) => OpenLaneFeed {
  return (deps) => (onChange) => openKafkaFeed({ ...deps, kafka, prefix, sessionMs: SHORTEST_SESSION_MS }, onChange);
}

export type ReadMessage = {
  readonly partition: number;
  readonly key: string | undefined;
  readonly headers: Record<string, string>;
  readonly value: string | null;
};

/** Everything that committed transactions have put into domain-events, by partition, in order. */
export async function readDomainEvents(kafka: TestKafka): Promise<Map<number, ReadMessage[]>> {
  return Map.groupBy(await readTopic(kafka, domainEventsTopic(kafka.prefix).topic), ({ partition }) => partition);
}

/**
 * Everything that a topic holds at this moment and that is not part of an open transaction; each partition in order.
 */
export async function readTopic({ kafka, prefix }: TestKafka, topic: string): Promise<ReadMessage[]> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  const consumer = kafka.consumer({
    groupId: `${prefix}reader-${randomUUID()}`,
    maxWaitTimeInMs: 100,
    readUncommitted: false,
  });
  const found: ReadMessage[] = [];
  const open = new Map(
    ends.filter(({ high, low }) => high !== low).map(({ partition, high }) => [partition, BigInt(high)]),
  );
  const done = Promise.withResolvers<undefined>();
  if (open.size === 0) done.resolve(undefined);
  // The last record of a partition may be the end of a transaction, which nobody is handed.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
    if (BigInt(lastOffset) + 1n >= (open.get(partition) ?? 0n)) open.delete(partition);
    if (open.size === 0) done.resolve(undefined);
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: 32,
    eachBatch: async ({ batch: { partition, messages } }) => {
      for (const { key, headers, value } of messages) {
        found.push({
          partition,
          key: key?.toString(),
          headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, one]) => [name, String(one)])),
          value: value === null ? null : value.toString(),
        });
      }
    },
  });
  await done.promise;
  await consumer.disconnect();
  return found;
}
