import { EventStoreDBClient } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { Appender, VersionConflictError, type ExpectedRevision, type NewEvent } from './event-store-appending.ts';
import { StoreCircuit, type Question } from './event-store-circuit.ts';
import { follow } from './event-store-following.ts';
import { Head } from './event-store-head.ts';
import { milestones } from './event-store-milestones.ts';
import { RangeReader, type Range } from './event-store-ranges.ts';
import { readAll, type Reading } from './event-store-reading.ts';
import { parsePosition } from './event-store-positions.ts';
import { readLastOf, readWholeStream } from './event-store-streams.ts';
import { shareSubscriptions, type Portion } from './shared-subscription.ts';

// What the contract below speaks of.
export { OutcomeUnknownError, VersionConflictError } from './event-store-appending.ts';
export {
  EventStoreAwayError,
  EventStoreCircuitOpenError,
  EventStoreDeniedError,
  isStoreDenial,
  isStoreOutage,
} from './event-store-failures.ts';
export type { ExpectedRevision, NewEvent } from './event-store-appending.ts';
export { SubscriptionEndedError } from './event-store-following.ts';
export type { Range } from './event-store-ranges.ts';
export { isPortion, type Portion } from './shared-subscription.ts';

/** The log, as the rest of the program sees it. */
export type EventStore = {
  /** The identity of the physical log; an imported copy has another. */
  readonly storeId: string;
  /**
   * All events of a stream in order; a missing or deleted stream is empty. Throws EventStoreAwayError when the
   * connection is lost, the store cannot answer now, or does not within the limit.
   */
  readStream(streamId: string): Promise<RecordedEvent[]>;
  /** The newest event of a stream; undefined when it is missing or deleted. Throws likewise. */
  lastOf(streamId: string): Promise<RecordedEvent | undefined>;
  /**
   * Appends all events or none, and resolves once they are durable. Throws VersionConflictError, OutcomeUnknownError
   * after the limit or a lost connection, or EventStoreAwayError when the store has appended nothing and cannot now.
   */
  append(
    streamId: string,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
  ): Promise<{ revision: bigint; position: Position }>;
  /**
   * Events of the whole log after `after` (from the start when absent), without system events, oldest first, to the
   * present end; with `backwards` those before `before` (the end when absent), newest first.
   */
  readAll(options?: Reading): AsyncIterable<RecordedEvent>;
  /**
   * The same, then live, in portions of what has come; ends only by `signal` (cleanly) or with SubscriptionEndedError.
   * Subscriptions at about the same place are read once for all.
   */
  subscribe(options: { after: Position; signal: AbortSignal }): AsyncIterable<Portion>;
  /**
   * Places about every `every` thousands of events, system events included, from behind `after` to the present head,
   * which is the last of them.
   */
  milestones(options: { after: Position; every: number }): AsyncIterable<Position>;
  /**
   * All events between two places, without system events; for replays, much cheaper than `readAll`. Throws
   * EventStoreAwayError when the connection is lost.
   */
  readRange(range: Range): Promise<RecordedEvent[]>;
  /** The position of the newest event of ours, START_OF_LOG when there is none. */
  head(): Promise<Position>;
  /** Resolves when the store answers a small question about this log; for health. Throws EventStoreAwayError. */
  answers(): Promise<void>;
  /** Closes the connections once every append of this process is answered or given up. */
  close(): Promise<void>;
};

/**
 * A log to whoever only reads it. What feeds, rebuilds or compares read models gets no more: by it nothing can be
 * appended.
 */
export type ReadableLog = Pick<EventStore, 'storeId' | 'readAll' | 'subscribe' | 'milestones' | 'head'>;

/** The stream that holds nothing but the log's own identity. */
export const STORE_STREAM = 'shutterlog-store';
const StoreCreated = z.object({ storeId: z.uuid() });

export type EventStoreOptions = {
  /**
   * How long the store may take to answer a read of a stream, an append, or where the log ends; and how long it may
   * fail to before it is left alone.
   */
  readonly answerLimitMs?: number;
};

const ANSWER_LIMIT_MS = 5_000;
const PROBE = { restMs: 500, limitMs: 1_000 };

/**
 * Connects with the official client and learns (or, on a new log, records) the store id. One client for each process:
 * pending appends of several clients share one table inside the library, and losing one connection rejects them all.
 */
export async function openEventStore(url: string, options: EventStoreOptions = {}): Promise<EventStore> {
  const limitMs = options.answerLimitMs ?? ANSWER_LIMIT_MS;
  const client = EventStoreDBClient.connectionString(url);
  const appender = new Appender(url, limitMs);
  const close = async () => {
    await appender.close();
    await client.dispose();
  };
  const identity = await identify(client, appender, limitMs).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  const head = new Head(client, limitMs);
  const ranges = new RangeReader(client);
  const seen = (position: Position) => {
    head.see(position);
  };
  const circuit = new StoreCircuit({
    limitMs,
    restMs: PROBE.restMs,
    probe: (failed) => probe(client, appender, { failed, first: identity.first }),
  });
  return {
    storeId: identity.storeId,
    readStream: (streamId) => circuit.run('read', () => readWholeStream(client, streamId, limitMs)),
    lastOf: (streamId) => circuit.run('read', () => readLastOf(client, streamId, limitMs)),
    append: async (streamId, expected, events) => {
      const written = await circuit.run('append', () => appender.append(streamId, expected, events));
      seen(written.position);
      return written;
    },
    readAll: (range) => readAll(client, range ?? {}),
    subscribe: shareSubscriptions((from) => follow(client, { ...from, seen })),
    milestones: async function* (range) {
      yield* milestones(client, { ...range, head: await head.find() });
    },
    readRange: (range) => ranges.read(range),
    head: () => circuit.run('read', () => head.find()),
    answers: async () => {
      await circuit.run('read', () => readWholeStream(client, STORE_STREAM, limitMs));
    },
    close: async () => {
      circuit.close();
      await close();
    },
  };
}

type Identity = { readonly storeId: string; readonly first: NewEvent };

async function identify(client: EventStoreDBClient, appender: Appender, limitMs: number): Promise<Identity> {
  const known = async () => (await readWholeStream(client, STORE_STREAM, limitMs))[0];
  let first = await known();
  if (first === undefined) {
    const created: NewEvent = { id: randomUUID(), type: 'StoreCreated', data: { storeId: randomUUID() }, metadata: {} };
    // Two processes may start on an empty log at once: the loser reads what the winner wrote.
    await appender.append(STORE_STREAM, 'no_stream', [created]).catch((error: unknown) => {
      if (!(error instanceof VersionConflictError)) throw error;
    });
    first = await known();
  }
  const data = StoreCreated.parse(first?.data);
  return { storeId: data.storeId, first: { id: first?.id ?? randomUUID(), type: 'StoreCreated', data, metadata: {} } };
}

// The log's own first event once more, where it stands: whoever takes appends answers, and writes nothing.
async function probe(
  client: EventStoreDBClient,
  appender: Appender,
  { failed, first }: { failed: ReadonlySet<Question>; first: NewEvent },
): Promise<void> {
  await readWholeStream(client, STORE_STREAM, PROBE.limitMs);
  if (!failed.has('append')) return;
  await appender.append(STORE_STREAM, 'no_stream', [first], PROBE.limitMs).catch((error: unknown) => {
    if (!(error instanceof VersionConflictError)) throw error;
  });
}

/**
 * Which part of the log lies up to `position`, from 0 to 1, judged by bytes: for estimates where counting would take
 * too long. `head` is the position of the newest event.
 */
export function shareOfLog(position: Position, head: Position): number {
  const whole = parsePosition(head).commit;
  if (whole === 0n) return 1;
  return Math.min(1, Number(parsePosition(position).commit) / Number(whole));
}
