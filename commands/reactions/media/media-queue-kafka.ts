import type { Kafka, Message, Producer } from 'kafkajs';
import { CircuitBreaker, CircuitOpenError } from '../../../infra/process/circuit-breaker.ts';
import { joinGroup } from '../../../infra/kafka/kafka-group.ts';
import { ensureTopics, type TopicSpec } from '../../../infra/kafka/kafka.ts';
import type { Log } from '../../../infra/process/log.ts';
import type { Pool } from '../../../infra/postgres.ts';
import { MediaIntake } from './media-intake.ts';
import { claimJobs, countJobs, queueJob } from './media-jobs.ts';
import type { MediaQueue } from './media-queue.ts';
import { countUntaken, encodeJob, mediaDeadLettersTopic, mediaGroup, mediaJobsTopic } from './media-topic.ts';

export type KafkaQueueDeps = {
  readonly kafka: Kafka;
  readonly prefix: string;
  readonly pool: Pool;
  readonly log: Log;
  readonly sessionMs?: number;
};

/** A queue in Kafka, with what comes after: the topic that is told of jobs that were given up. */
export type KafkaMediaQueue = MediaQueue & {
  /** Why nothing comes from Kafka at this moment. */
  readonly trouble: string | undefined;
  /** Tells the dead-letter topic. Rejects when it cannot be told. */
  announce(messages: readonly Message[]): Promise<void>;
};

const COUNT_EVERY_MS = 5_000;

/**
 * A queue that lies in Kafka until a worker has room, divided among all processes of a consumer group. While Kafka
 * cannot be told of a job, the job goes into the table that all of them look at too.
 */
export function kafkaQueue({ kafka, prefix, pool, log, sessionMs }: KafkaQueueDeps): KafkaMediaQueue {
  const topics = { jobs: mediaJobsTopic(prefix), deadLetters: mediaDeadLettersTopic(prefix) };
  const sender = openSender(kafka, Object.values(topics));
  // The library's own tries, five of them, count as one failure here.
  const circuit = new CircuitBreaker({
    name: 'media-jobs',
    failures: 1,
    halfOpenAfterMs: 30_000,
    attempts: 1,
    pauseMs: 0,
  });
  let arrived: () => void = () => undefined;
  const intake: MediaIntake = new MediaIntake({ pool, log, member: () => member });
  const member = joinGroup({
    kafka,
    log,
    topic: topics.jobs,
    groupId: mediaGroup(prefix),
    ...(sessionMs === undefined ? {} : { sessionMs }),
    onAssigned: () => {
      intake.restart();
    },
    onMessages: (partition, messages) => {
      intake.push(partition, messages);
      arrived();
    },
  });
  const untaken = keepCounting(() => countUntaken(kafka, prefix));
  return {
    get trouble() {
      return member.trouble;
    },
    add: async (job) => {
      try {
        await circuit.execute(() => sender.send(topics.jobs, [encodeJob(job)]));
      } catch (error) {
        if (!(error instanceof CircuitOpenError))
          log.warn({ err: error, media_id: job.mediaId }, 'Kafka is away: media jobs are queued in PostgreSQL');
        await queueJob(pool, job);
        arrived();
      }
    },
    take: async (limit, leaseMs) => {
      const begun = await claimJobs(pool, limit, leaseMs);
      return [...begun, ...(begun.length < limit ? await intake.take(limit - begun.length, leaseMs) : [])];
    },
    waiting: async () => (await countJobs(pool)) + untaken.count,
    listen: (listener) => {
      arrived = listener;
    },
    announce: (messages) => sender.send(topics.deadLetters, messages),
    close: async () => {
      untaken.close();
      await Promise.all([member.close(), sender.close()]);
    },
  };
}

type Sender = { send(topic: TopicSpec, messages: readonly Message[]): Promise<void>; close(): Promise<void> };

/** Sends at least once, to all replicas that are there; connects when it is first needed, and anew after a failure. */
function openSender(kafka: Kafka, topics: readonly TopicSpec[]): Sender {
  let opened: Promise<Producer> | undefined;
  const open = async () => {
    const producer = kafka.producer({ allowAutoTopicCreation: false, retry: { initialRetryTime: 100, retries: 5 } });
    await ensureTopics(kafka, topics);
    await producer.connect();
    return producer;
  };
  const close = async () => {
    const closing = opened;
    opened = undefined;
    await closing?.then((producer) => producer.disconnect()).catch(() => undefined);
  };
  return {
    send: async ({ topic }, messages) => {
      try {
        opened ??= open();
        await (await opened).send({ topic, acks: -1, messages: [...messages] });
      } catch (error) {
        await close();
        throw error;
      }
    },
    close,
  };
}

/** A number that is asked for again and again; it stays as it was while it cannot be had. */
function keepCounting(ask: () => Promise<number>): { readonly count: number; close(): void } {
  let count = 0;
  const look = () => {
    ask().then(
      (found) => {
        count = found;
      },
      () => undefined,
    );
  };
  look();
  const timer = setInterval(look, COUNT_EVERY_MS);
  return {
    get count() {
      return count;
    },
    close: () => {
      clearInterval(timer);
    },
  };
}
