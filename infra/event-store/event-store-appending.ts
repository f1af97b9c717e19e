import {
  EventStoreDBClient,
  isCommandError,
  ErrorType,
  NO_STREAM,
  WrongExpectedVersionError,
  jsonEvent,
  type AppendResult,
} from '@eventstore/db-client';
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { z } from 'zod';
import type { Position } from '../../domain/position.ts';
import type { JsonObject } from '../../domain/recorded-event.ts';
import { awayError, storeTrouble } from './event-store-failures.ts';
import { positionOf } from './event-store-positions.ts';

/**
 * Where the stream must stand. Nothing is appended wherever it stands: a server knows such an append again, when it is
 * repeated after an unknown outcome, only by what it holds in memory.
 */
export type ExpectedRevision = bigint | 'no_stream';

type Supports = (method: typeof StreamsService.batchAppend) => Promise<boolean>;
// The client keeps it to itself.
const Inside = z.object({ supports: z.custom<Supports>((value) => typeof value === 'function') });

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

/** gRPC's code for what a server does not explain. */
const UNKNOWN_CODE = 2;

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
   * Appends all events or none, and resolves once they are durable. Throws VersionConflictError, OutcomeUnknownError
   * or, when nothing was appended, EventStoreAwayError.
   */
  async append(
    streamId: string,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
    limitMs = this.#limitMs,
  ): Promise<{ revision: bigint; position: Position }> {
    try {
      const { nextExpectedRevision, position } = await this.#inTime(limitMs, (client) =>
        client.appendToStream(
          streamId,
          events.map(({ id, type, data, metadata }) => jsonEvent({ id, type, data, metadata })),
          { expectedRevision: expected === 'no_stream' ? NO_STREAM : expected },
        ),
      );
      // Written before and not indexed yet: reading tells where.
      if (position === undefined)
        throw new OutcomeUnknownError(`append to ${streamId}: recorded, but its position is not known yet`);
      return { revision: nextExpectedRevision, position: positionOf(position) };
    } catch (error) {
      if (error instanceof WrongExpectedVersionError)
        throw new VersionConflictError(`${streamId} is no longer at ${expected}`, { cause: error });
      throw appendFailure(streamId, error);
    }
  }

  async #inTime(limitMs: number, send: (client: EventStoreDBClient) => Promise<AppendResult>): Promise<AppendResult> {
    let timer: NodeJS.Timeout | undefined;
    let asked: EventStoreDBClient | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new OutcomeUnknownError(`the event store did not answer within ${String(limitMs)} ms`));
        if (asked !== undefined) this.#replace(asked);
      }, limitMs);
    });
    const entered = slots.enter(1);
    try {
      await Promise.race([entered, limit]);
      asked = this.#client;
      await Promise.race([this.#connected(asked), limit]);
      return await Promise.race([send(asked), limit]);
    } finally {
      clearTimeout(timer);
      void entered.then(() => slots.leave(1));
    }
  }

  // The client keeps a failure to learn what the server can do, and would fail with it for ever.
  async #connected(client: EventStoreDBClient): Promise<void> {
    try {
      await Inside.parse(client).supports(StreamsService.batchAppend);
    } catch (error) {
      if (storeTrouble(error) !== 'refused') this.#replace(client);
      throw error;
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

// What a node refuses it has not done. What it does not explain may be done, as when the connection is lost.
function appendFailure(streamId: string, error: unknown): Error {
  if (error instanceof OutcomeUnknownError) return error;
  const isUnexplained =
    error instanceof Error &&
    isCommandError(error) &&
    error.type === ErrorType.UNKNOWN &&
    (error.code === undefined || error.code === UNKNOWN_CODE);
  if (storeTrouble(error) === 'lost' || (isUnexplained && storeTrouble(error) === undefined))
    return new OutcomeUnknownError(`append to ${streamId}: the event store went away`, { cause: error });
  return awayError(`append to ${streamId}`, error);
}
