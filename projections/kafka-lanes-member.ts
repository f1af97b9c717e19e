import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs';
import { Position } from '../domain/position.ts';
import { ensureTopics, type TopicSpec } from '../infra/kafka.ts';
import type { Log } from '../infra/log.ts';
import { describe } from './failures.ts';

/** A place in a partition: the offset to go on from, and the position of the log up to which everything lies before it. */
export type Mark = { readonly lane: number; readonly offset: string; readonly position: Position };

export type MemberOptions = {
  readonly kafka: Kafka;
  readonly topic: TopicSpec;
  readonly groupId: string;
  readonly log: Log;
  /** A member that says nothing for so long has lost its lanes to the others. Default 10 s; brokers take 6 s at least. */
  readonly sessionMs?: number;
  /** The lanes that are this member's from now on. Called before messages of them come. */
  readonly onAssigned: (lanes: readonly number[]) => void;
  /** Up to where everything lies before what comes now from each assigned lane, as far as it was ever noted. */
  readonly onPlaces: (places: ReadonlyMap<number, Position>) => void;
  readonly onMessages: (lane: number, messages: readonly KafkaMessage[], highWatermark: string) => void;
};

/** A member of a consumer group, over any number of connections. */
export type Member = {
  /** Why nothing comes at this moment. */
  readonly trouble: string | undefined;
  pause(lane: number): void;
  resume(lane: number): void;
  /** Notes where to go on from. Rejects when the group has moved on: nothing is lost by that. */
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
  const partition = (lane: number) => [{ topic: options.topic.topic, partitions: [lane] }];
  // Between two connections there is nothing to pause.
  const attempt = (work: (consumer: Consumer) => void) => {
    try {
      if (state.consumer !== undefined) work(state.consumer);
    } catch (error) {
      options.log.debug({ err: error }, 'a partition could not be paused or resumed');
    }
  };
  return {
    get trouble() { return state.trouble; },
    pause: (lane) => { attempt((consumer) => { consumer.pause(partition(lane)); }); },
    resume: (lane) => { attempt((consumer) => { consumer.resume(partition(lane)); }); },
    commit: async (marks) => {
      if (marks.length > 0) await state.consumer?.commitOffsets(marks.map(({ lane, offset, position }) => ({ topic: options.topic.topic, partition: lane, offset, metadata: position })));
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
      if (state.trouble !== describe(error)) options.log.warn({ err: error }, 'lanes get no events from Kafka at the moment');
      state.trouble = describe(error);
    }
    if (!signal.aborted) await delay(Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS), undefined, { signal }).catch(() => undefined);
  }
}

/** One connection: resolves at the signal, rejects when the library gives up. */
async function beMember(options: MemberOptions, state: State, signal: AbortSignal): Promise<void> {
  await ensureTopics(options.kafka, [options.topic]);
  const consumer = openConsumer(options);
  const ended = Promise.withResolvers<undefined>();
  ended.promise.catch(() => undefined);
  const end = () => { ended.resolve(undefined); };
  signal.addEventListener('abort', end, { once: true });
  consumer.on(consumer.events.CRASH, ({ payload }) => { ended.reject(payload.error); });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    options.onAssigned(payload.memberAssignment[options.topic.topic] ?? []);
    readPlaces(options).then(options.onPlaces).catch((error: unknown) => { ended.reject(error); });
  });
  consumer.on(consumer.events.FETCH, () => { state.trouble = undefined; });
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

async function readPlaces({ kafka, topic, groupId }: MemberOptions): Promise<Map<number, Position>> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const offsets = await admin.fetchOffsets({ groupId, topics: [topic.topic] });
    const places = new Map<number, Position>();
    for (const { partition, metadata } of offsets.flatMap(({ partitions }) => partitions)) {
      const position = Position.safeParse(metadata);
      if (position.success) places.set(partition, position.data);
    }
    return places;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
