import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel, type Admin, type ITopicMetadata, type logCreator } from 'kafkajs';
import { z } from 'zod';
import type { Log } from '../process/log.ts';

/** Where Kafka is, and what the names of our topics, groups and transactional ids begin with. */
export type KafkaAddress = { readonly brokers: readonly string[]; readonly prefix: string };

/** A topic as it must be. `retentionMs` is how long the broker keeps what it holds. */
export type TopicSpec = { readonly topic: string; readonly partitions: number; readonly retentionMs: number };

/** A topic exists with another number of partitions than it must have: keys would lie in the wrong ones. */
export class WrongTopicError extends Error {
  override readonly name = 'WrongTopicError';
}

const CONNECT_LIMIT_MS = 3_000;
const REQUEST_LIMIT_MS = 15_000;
const NEW_TOPIC_TRIES = 20;
const NEW_TOPIC_PAUSE_MS = 100;

/** An error of the library that time cures. */
const Passing = z.object({ retriable: z.literal(true) });

/** The address in the settings, or undefined when there is no Kafka. */
export function kafkaAddress(config: {
  readonly KAFKA_BROKERS?: string | undefined;
  readonly KAFKA_PREFIX: string;
}): KafkaAddress | undefined {
  const brokers = (config.KAFKA_BROKERS ?? '')
    .split(',')
    .map((broker) => broker.trim())
    .filter((broker) => broker !== '');
  return brokers.length === 0 ? undefined : { brokers, prefix: config.KAFKA_PREFIX };
}

/**
 * A client; it connects when a producer, consumer or admin of it does. Its own troubles are logged as `debug`: callers
 * report theirs.
 */
export function openKafka({ brokers }: KafkaAddress, log: Log): Kafka {
  return new Kafka({
    clientId: 'shutterlog',
    brokers: [...brokers],
    connectionTimeout: CONNECT_LIMIT_MS,
    requestTimeout: REQUEST_LIMIT_MS,
    retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 5 },
    logLevel: logLevel.INFO,
    logCreator: into(log),
  });
}

/**
 * Creates the topics that are missing, with the brokers' own replication. Throws WrongTopicError when one has another
 * shape.
 */
export async function ensureTopics(kafka: Kafka, specs: readonly TopicSpec[]): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const known = new Set(await admin.listTopics());
    const missing = specs.filter(({ topic }) => !known.has(topic));
    if (missing.length > 0) {
      // Another process may create them at the same moment: `createTopics` says false then.
      await admin.createTopics({
        // The library waits without patience for brokers that have not heard of a topic yet; describing it does not.
        waitForLeaders: false,
        topics: missing.map(({ topic, partitions, retentionMs }) => ({
          topic,
          numPartitions: partitions,
          replicationFactor: -1,
          configEntries: [{ name: 'retention.ms', value: String(retentionMs) }],
        })),
      });
    }
    const topics = await describeTopics(
      admin,
      specs.map(({ topic }) => topic),
    );
    for (const { topic, partitions } of specs) {
      const found = topics.find(({ name }) => name === topic)?.partitions.length;
      if (found !== partitions)
        throw new WrongTopicError(
          `the Kafka topic ${topic} has ${String(found ?? 'no')} partitions and must have ${String(partitions)}`,
        );
    }
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

// A topic that was created this moment, here or elsewhere, is listed before every broker knows it and leads its
// partitions.
async function describeTopics(admin: Admin, names: string[]): Promise<ITopicMetadata[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: names });
      if (attempt >= NEW_TOPIC_TRIES || topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0)))
        return topics;
    } catch (error) {
      if (!Passing.safeParse(error).success || attempt >= NEW_TOPIC_TRIES) throw error;
    }
    await delay(NEW_TOPIC_PAUSE_MS);
  }
}

// The library retries by itself and logs each failure as an error; what remains comes to the caller as an exception.
function into(log: Log): logCreator {
  return () =>
    ({ namespace, log: { message, ...details } }) => {
      log.debug({ kafka: namespace, ...details }, message);
    };
}
