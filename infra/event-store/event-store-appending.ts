import {
  ANY,
  EventStoreDBClient,
  NO_STREAM,
  STREAM_EXISTS,
  WrongExpectedVersionError,
  isCommandError,
  jsonEvent,
  type AppendExpectedRevision,
  type AppendResult,
} from '@eventstore/db-client';
import { z } from 'zod';
import type { Position } from '../../domain/position.ts';
import type { JsonObject } from '../../domain/recorded-event.ts';
import { positionOf } from './event-store-reading.ts';

export type ExpectedRevision = bigint | 'no_stream' | 'any' | 'stream_exists';

export type NewEvent = {
  readonly id: string;
  readonly type: string;
  readonly data: JsonObject;
  readonly metadata: JsonObject;
};

/** The stream has moved on since it was read; read again and decide again. */
export class VersionConflictError extends Error {
  override readonly name = 'VersionConflictError';
}

/** The store did not answer in time or went away: the events may or may not be recorded. Retry with the same ids. */
export class OutcomeUnknownError extends Error {
  override readonly name = 'OutcomeUnknownError';
}

/** The store went away, or did not answer, while something was read from it. Reading again is harmless. */
export class EventStoreAwayError extends Error {
  override readonly name = 'EventStoreAwayError';
}

/**
 * gRPC's CANCELLED, DEADLINE_EXCEEDED and UNAVAILABLE: the connection was closed, gave no answer in time, or was lost.
 */
const CONNECTION_LOST: readonly number[] = [1, 4, 14];
/** What the client calls the same, and the server's own time-out. */
const LOST_TYPES: readonly string[] = ['unavailable', 'timeout', 'deadline-exceeded', 'cancelled'];

/** What the client says, in an error without a code, when no node of a cluster answers. */
const NOT_DISCOVERED = /^Failed to discover after \d+ attempts/;

// A code alone tells nothing: exit codes of programs and the errors of other protocols are small numbers as well.
const GrpcFailure = z.object({ code: z.number(), details: z.string(), metadata: z.object({}) });

/**
 * Appends that may be under way at once, in the whole process. From 16 on the client library queues them, and when the
 * connection is lost its queue rejects promises that nobody can hold, which ends the process.
 */
const MOST_APPENDS = 15;

/** So many may go in at once; who wants to be alone waits until all are out. First come, first served. */
class Slots {
  #free = MOST_APPENDS;
  readonly #waiting: { need: number; enter: () => void }[] = [];

  /** Resolves when the caller is in, who must then `leave` with the same number. */
  async enter(need: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#free >= need) this.#free -= need;
    else await new Promise<void>((enter) => this.#waiting.push({ need, enter }));
  }

  leave(need: number): void {
    this.#free += need;
    for (let next = this.#waiting[0]; next !== undefined && next.need <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.need;
      next.enter();
    }
  }
}

// One for the process, as the library's table of pending appends is: closing one client's connection rejects the
// appends of all.
const slots = new Slots();

/**
 * Appends with a client of its own, so that nothing that happens to reads and subscriptions (a cancelled call can cost
 * the connection) rejects an append.
 */
export class Appender {
  readonly #url: string;
  readonly #limitMs: number;
  #client: EventStoreDBClient;

  /** `limitMs` bounds every append: the client's own deadline does not end one that the server never answers. */
  constructor(url: string, limitMs: number) {
    this.#url = url;
    this.#limitMs = limitMs;
    this.#client = EventStoreDBClient.connectionString(url);
  }

  /**
   * Appends all events or none, and resolves once they are durable. Throws VersionConflictError or OutcomeUnknownError.
   */
  async append(
    streamId: string,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
  ): Promise<{ revision: bigint; position: Position }> {
    try {
      const { nextExpectedRevision, position } = await this.#inTime(streamId, expected, events);
      // Written before and not indexed yet: reading tells where.
      if (position === undefined)
        throw new OutcomeUnknownError(`append to ${streamId}: recorded, but its position is not known yet`);
      return { revision: nextExpectedRevision, position: positionOf(position) };
    } catch (error) {
      if (error instanceof WrongExpectedVersionError)
        throw new VersionConflictError(`${streamId} is no longer at ${expected}`, { cause: error });
      if (isConnectionLost(error))
        throw new OutcomeUnknownError(`append to ${streamId}: the event store went away`, { cause: error });
      throw error;
    }
  }

  async #inTime(streamId: string, expected: ExpectedRevision, events: readonly NewEvent[]): Promise<AppendResult> {
    const proposed = events.map(({ id, type, data, metadata }) => jsonEvent({ id, type, data, metadata }));
    let timer: NodeJS.Timeout | undefined;
    let asked: EventStoreDBClient | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new OutcomeUnknownError(`the event store did not answer within ${this.#limitMs} ms`));
        if (asked !== undefined) this.#replace(asked);
      }, this.#limitMs);
    });
    const entered = slots.enter(1);
    try {
      await Promise.race([entered, limit]);
      asked = this.#client;
      return await Promise.race([
        asked.appendToStream(streamId, proposed, { expectedRevision: expectedRevision(expected) }),
        limit,
      ]);
    } finally {
      clearTimeout(timer);
      void entered.then(() => slots.leave(1));
    }
  }

  /** What a connection that does not answer still holds must not meet what is appended later. */
  #replace(silent: EventStoreDBClient): void {
    if (this.#client !== silent) return;
    this.#client = EventStoreDBClient.connectionString(this.#url);
    void silent.dispose();
  }

  /** Closes the connection once every append of this process is answered or given up. */
  async close(): Promise<void> {
    await slots.enter(MOST_APPENDS);
    try {
      await this.#client.dispose();
    } finally {
      slots.leave(MOST_APPENDS);
    }
  }
}

function expectedRevision(expected: ExpectedRevision): AppendExpectedRevision {
  switch (expected) {
    case 'no_stream':
      return NO_STREAM;
    case 'any':
      return ANY;
    case 'stream_exists':
      return STREAM_EXISTS;
    default:
      return expected;
  }
}

/**
 * Whether the client failed because its connection did: one of its own errors, or the plain gRPC error that it rejects
 * with when the connection is lost. Errors of anything else are not, whatever their code.
 */
export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (isCommandError(error)) return LOST_TYPES.includes(error.type) || isLostCall(error._raw);
  return NOT_DISCOVERED.test(error.message) || isLostCall(error);
}

function isLostCall(error: unknown): boolean {
  const failure = GrpcFailure.safeParse(error);
  return failure.success && CONNECTION_LOST.includes(failure.data.code);
}
