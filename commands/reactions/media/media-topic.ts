import type { Kafka, Message } from 'kafkajs';
import { z } from 'zod';
import { MediaId } from '../../../domain/ids.ts';
import type { TopicSpec } from '../../../infra/kafka/kafka.ts';
import type { DeadLetter } from '../runner/dead-letters.ts';
import { JobContext, type WantedJob } from './media-jobs.ts';

const DAY_MS = 24 * 60 * 60_000;

/** Media jobs that nobody has begun, by media id. They are kept for so long without a single reactor. */
export const mediaJobsTopic = (prefix: string): TopicSpec => ({
  topic: `${prefix}media-jobs`,
  partitions: 32,
  retentionMs: 30 * DAY_MS,
});

/** Media jobs that were given up, by media id, for whoever wants to be told; what can be retried lies in PostgreSQL. */
export const mediaDeadLettersTopic = (prefix: string): TopicSpec => ({
  topic: `${prefix}media-jobs-dlq`,
  partitions: 1,
  retentionMs: 30 * DAY_MS,
});

/** The consumer group of all reactors. */
export const mediaGroup = (prefix: string) => `${prefix}media-jobs`;

const Job = z.object({ mediaId: MediaId, eventId: z.uuid(), ...JobContext.shape });

export function encodeJob(job: WantedJob): Message {
  return {
    key: job.mediaId,
    value: JSON.stringify(Job.parse(job)),
    headers: job.traceparent === null ? {} : { traceparent: job.traceparent },
  };
}

/** Reads a job back; undefined when that is none. */
export function decodeJob({ value }: Pick<Message, 'value'>): WantedJob | undefined {
  try {
    return Job.safeParse(JSON.parse(String(value))).data;
  } catch {
    return undefined;
  }
}

export function encodeDeadLetter({ subject, eventId, reason, attempts, parkedAt, context }: DeadLetter): Message {
  return {
    key: subject,
    value: JSON.stringify({
      mediaId: subject,
      eventId,
      reason,
      attempts,
      failedAt: parkedAt.toISOString(),
      ...JobContext.parse(context),
    }),
  };
}

/** How many jobs lie in the topic that no reactor has taken. */
export async function countUntaken(kafka: Kafka, prefix: string): Promise<number> {
  const { topic } = mediaJobsTopic(prefix);
  const admin = kafka.admin();
  try {
    await admin.connect();
    const taken = await admin.fetchOffsets({ groupId: mediaGroup(prefix), topics: [topic] });
    const next = new Map(
      taken.flatMap(({ partitions }) => partitions).map(({ partition, offset }) => [partition, BigInt(offset)]),
    );
    const ends = await admin.fetchTopicOffsets(topic);
    return ends.reduce((sum, { partition, low, high }) => {
      const from = next.get(partition) ?? -1n;
      // Nothing was taken yet, or what comes next has been removed since.
      return sum + Number(BigInt(high) - (from < BigInt(low) ? BigInt(low) : from));
    }, 0);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
