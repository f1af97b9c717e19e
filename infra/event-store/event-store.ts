import {
  BACKWARDS,
  END,
  EventStoreDBClient,
  FORWARDS,
  START,
  StreamNotFoundError,
  type ReadStreamOptions,
  type ResolvedEvent,
} from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import {
  Appender,
  EventStoreAwayError,
  isConnectionLost,
  VersionConflictError,
  type ExpectedRevision,
  type NewEvent,
} from './event-store-appending.ts';
import { milestones } from './event-store-milestones.ts';
import { follow } from './event-store-following.ts';
import { readRange, type Range } from './event-store-ranges.ts';
import { headOf, parsePosition, readAll, toRecorded } from './event-store-reading.ts';
import { shareSubscriptions, type Portion } from './shared-subscription.ts';

// What the contract below speaks of.
export {
  EventStoreAwayError,
  isConnectionLost,
  OutcomeUnknownError,
  VersionConflictError,
} from './event-store-appending.ts';
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
   * connection is lost.
   */
  readStream(streamId: string): Promise<RecordedEvent[]>;
  /** The newest event of a stream; undefined when it is missing or deleted. Throws likewise. */
  lastOf(streamId: string): Promise<RecordedEvent | undefined>;
  /**
   * Appends all events or none, and resolves once they are durable. Throws VersionConflictError, or OutcomeUnknownError
   * after `appendLimitMs` or a lost connection.
   */
  append(
    streamId: string,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
  ): Promise<{ revision: bigint; position: Position }>;
  /**
   * Events of the whole log after `after` (from the start when absent), without system events, oldest first, to the
   * present end; all of them newest first with `backwards`.
   */
  readAll(options?: { after?: Position; limit?: number; backwards?: boolean }): AsyncIterable<RecordedEvent>;
  /**
   * The same, then live, in portions of what has come; ends only by `signal` (cleanly) or with SubscriptionEndedError.
   * Subscriptions at about the same place are read once for all.
   */
  subscribe(options: { after: Position; signal: AbortSignal }): AsyncIterable<Portion>;
  /**
   * Places about every `every` thousands of events from behind `after` to the present head, which is the last of them.
   */
  milestones(options: { after: Position; every: number }): AsyncIterable<Position>;
  /**
   * All events between two places, without system events; for replays, much cheaper than `readAll`. Throws
   * EventStoreAwayError when the connection is lost.
   */
  readRange(range: Range): Promise<RecordedEvent[]>;
  /** The position of the newest event of ours, START_OF_LOG when there is none. */
  head(): Promise<Position>;
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

/**
 * Connects with the official client and learns (or, on a new log, records) the store id. One client for each process:
 * pending appends of several clients share one table inside the library, and losing one connection rejects them all.
 */
export async function openEventStore(url: string, options: { appendLimitMs?: number } = {}): Promise<EventStore> {
  const client = EventStoreDBClient.connectionString(url);
  const appender = new Appender(url, options.appendLimitMs ?? 5_000);
  const close = async () => {
    await appender.close();
    await client.dispose();
  };
  const storeId = await identify(client, appender).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    storeId,
    readStream: (streamId) => readFromStream(client, streamId, { direction: FORWARDS, fromRevision: START }),
    lastOf: async (streamId) =>
      (await readFromStream(client, streamId, { direction: BACKWARDS, fromRevision: END, maxCount: 1 }))[0],
    append: (streamId, expected, events) => appender.append(streamId, expected, events),
    readAll: (range) => readAll(client, range ?? {}),
    subscribe: shareSubscriptions((from) => follow(client, from)),
    milestones: (options) => milestones(client, options),
    readRange: (range) => readRange(client, range),
    head: () => headOf(client),
    close,
  };
}

async function identify(client: EventStoreDBClient, appender: Appender): Promise<string> {
  const known = async () =>
    (await readFromStream(client, STORE_STREAM, { direction: FORWARDS, fromRevision: START }))[0];
  let first = await known();
  if (first === undefined) {
    const created: NewEvent = { id: randomUUID(), type: 'StoreCreated', data: { storeId: randomUUID() }, metadata: {} };
    // Two processes may start on an empty log at once: the loser reads what the winner wrote.
    await appender.append(STORE_STREAM, 'no_stream', [created]).catch((error: unknown) => {
      if (!(error instanceof VersionConflictError)) throw error;
    });
    first = await known();
  }
  return StoreCreated.parse(first?.data).storeId;
}

// By listening, which costs half of what iterating does (a stream that is not there then makes and destroys a chain of
// errors), and a command reads several streams. What is heard is converted afterwards, where a throw has a caller.
async function readFromStream(
  client: EventStoreDBClient,
  streamId: string,
  which: ReadStreamOptions,
): Promise<RecordedEvent[]> {
  const heard: ResolvedEvent[] = [];
  await new Promise<void>((resolve, reject) => {
    client
      .readStream(streamId, which)
      .on('data', (resolved: ResolvedEvent) => {
        heard.push(resolved);
      })
      .on('error', (error: unknown) => {
        if (error instanceof StreamNotFoundError) resolve();
        else reject(readFailure(streamId, error));
      })
      .on('end', resolve)
      .on('close', () => {
        reject(new EventStoreAwayError(`the reading of ${streamId} broke off`));
      });
  });
  return heard.flatMap((resolved) => toRecorded(resolved) ?? []);
}

function readFailure(streamId: string, error: unknown): Error {
  if (isConnectionLost(error))
    return new EventStoreAwayError(`the reading of ${streamId}: the event store went away`, { cause: error });
  return error instanceof Error ? error : new Error(String(error));
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
