import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs';
import { ensureTopics, type TopicSpec } from './kafka.ts';
import type { Log } from '../process/log.ts';

/** A place in a partition: the offset to go on from, and a note that whoever has the partition next can read. */
export type Mark = { readonly partition: number; readonly offset: string; readonly note?: string };

export type MemberOptions = {
  readonly kafka: Kafka;
  readonly topic: TopicSpec;
  readonly groupId: string;
  readonly log: Log;
  /**
   * A member that says nothing for so long has lost its partitions to the others. Default 10 s; brokers take 6 s at
   * least.
   */
  readonly sessionMs?: number;
  /** The partitions that are this member's from now on. Called before messages of them come. */
  readonly onAssigned?: (partitions: readonly number[]) => void;
  /** The notes that lie at the places where partitions go on; asked for after each division. */
  readonly onNotes?: (notes: ReadonlyMap<number, string>) => void;
  readonly onMessages: (partition: number, messages: readonly KafkaMessage[], highWatermark: string) => void;
};

/** A member of a consumer group, over any number of connections. */
export type Member = {
  /** Why nothing comes at this moment. */
  readonly trouble: string | undefined;
  pause(partition: number): void;
  resume(partition: number): void;
  /** Says where to go on from. Rejects when the group has moved on: nothing is lost by that. */
  commit(marks: readonly Mark[]): Promise<void>;
  close(): Promise<void>;
};

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;
const FETCH_WAIT_MS = 250;
const HEARTBEAT_MS = 1_000;

/** Joins a group and stays in it until closed; joins again after Kafka was away. */
export function joinGroup(options: MemberOptions): Member {
  const closing = new AbortController();
  const state: State = { trouble: 'the consumer group of Kafka has not been joined yet', consumer: undefined };
  const running = keepJoined(options, state, closing.signal);
  const one = (partition: number) => [{ topic: options.topic.topic, partitions: [partition] }];
  // Between two connections there is nothing to pause.
  const attempt = (work: (consumer: Consumer) => void) => {
    try {
      if (state.consumer !== undefined) work(state.consumer);
    } catch (error) {
      options.log.debug({ err: error }, 'a partition could not be paused or resumed');
    }
  };
  return {
    get trouble() {
      return state.trouble;
    },
    pause: (partition) => {
      attempt((consumer) => {
        consumer.pause(one(partition));
      });
    },
    resume: (partition) => {
      attempt((consumer) => {
        consumer.resume(one(partition));
      });
    },
    commit: async (marks) => {
      if (marks.length > 0)
        await state.consumer?.commitOffsets(
          marks.map(({ partition, offset, note = '' }) => ({
            topic: options.topic.topic,
            partition,
            offset,
            metadata: note,
          })),
        );
    },
    close: async () => {
      closing.abort();
      await running;
    },
  };
}

type State = { trouble: string | undefined; consumer: Consumer | undefined };

async function keepJoined(options: MemberOptions, state: State, signal: AbortSignal): Promise<void> {
  for (let failures = 0; !signal.aborted;) {
    try {
      await beMember(options, state, signal);
    } catch (error) {
      failures = state.trouble === undefined ? 1 : failures + 1;
      const trouble = error instanceof Error ? error.message : String(error);
      if (state.trouble !== trouble)
        options.log.warn({ err: error, topic: options.topic.topic }, 'nothing comes from Kafka at the moment');
      state.trouble = trouble;
    }
    if (!signal.aborted)
      await delay(Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS), undefined, { signal }).catch(
        () => undefined,
      );
  }
}

/** One connection: resolves at the signal, rejects when the library gives up. */
async function beMember(options: MemberOptions, state: State, signal: AbortSignal): Promise<void> {
  await ensureTopics(options.kafka, [options.topic]);
  const consumer = openConsumer(options);
  const ended = Promise.withResolvers<undefined>();
  ended.promise.catch(() => undefined);
  const end = () => {
    ended.resolve(undefined);
  };
  signal.addEventListener('abort', end, { once: true });
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    ended.reject(payload.error);
  });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    options.onAssigned?.(payload.memberAssignment[options.topic.topic] ?? []);
    if (options.onNotes !== undefined)
      readNotes(options)
        .then(options.onNotes)
        .catch((error: unknown) => {
          ended.reject(error);
        });
  });
  consumer.on(consumer.events.FETCH, () => {
    state.trouble = undefined;
  });
  try {
    if (signal.aborted) return;
    await consumer.connect();
    await consumer.subscribe({ topics: [options.topic.topic], fromBeginning: true });
    state.consumer = consumer;
    await consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: options.topic.partitions,
      eachBatch: ({ batch }: EachBatchPayload) => {
        options.onMessages(batch.partition, batch.messages, batch.highWatermark);
        return Promise.resolve();
      },
    });
    await ended.promise;
  } finally {
    signal.removeEventListener('abort', end);
    state.consumer = undefined;
    await consumer.disconnect().catch(() => undefined);
  }
}

function openConsumer({ kafka, groupId, sessionMs = 10_000 }: MemberOptions): Consumer {
  return kafka.consumer({
    groupId,
    sessionTimeout: sessionMs,
    rebalanceTimeout: sessionMs,
    heartbeatInterval: HEARTBEAT_MS,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    maxBytesPerPartition: 512 * 1024,
    maxBytes: 4 * 1024 * 1024,
    allowAutoTopicCreation: false,
    readUncommitted: false,
    // A fresh member comes instead, after a pause that grows.
    retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 4, restartOnFailure: () => Promise.resolve(false) },
  });
}

async function readNotes({ kafka, topic, groupId }: MemberOptions): Promise<Map<number, string>> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const offsets = await admin.fetchOffsets({ groupId, topics: [topic.topic] });
    return new Map(
      offsets.flatMap(({ partitions }) => partitions).map(({ partition, metadata }) => [partition, metadata ?? '']),
    );
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
