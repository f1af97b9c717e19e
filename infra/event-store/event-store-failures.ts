import { ErrorType, isCommandError } from '@eventstore/db-client';
import type { Metadata } from '@grpc/grpc-js';
import { z } from 'zod';

/** The store went away, or did not answer, while something was read from it. Reading again is harmless. */
export class EventStoreAwayError extends Error {
  override readonly name: string = 'EventStoreAwayError';
}

/**
 * How long the server may look through events that are not ours before it sends one that is, or says that there is
 * none.
 */
export const SCAN_LIMIT_MS = 60_000;

/**
 * The store does not take our user's word, or gives our user too few rights. Nothing was read or written; an operator
 * cures it, and no restart is needed.
 */
export class EventStoreDeniedError extends EventStoreAwayError {
  override readonly name = 'EventStoreDeniedError';
}

/**
 * The store has been away for so long that it is not asked any more, but by the probe that looks whether it is back.
 */
export class EventStoreCircuitOpenError extends EventStoreAwayError {
  override readonly name = 'EventStoreCircuitOpenError';
}

/**
 * What a failure says of the store. `lost`: the connection went away or there was no answer, so what was asked for may
 * have happened. `refused`: the node that answered cannot do it now, and has not done it. `denied`: it does not let our
 * user.
 */
export type StoreTrouble = 'lost' | 'refused' | 'denied';

// gRPC's codes: CANCELLED, DEADLINE_EXCEEDED, ABORTED (the server's own time-outs) and UNAVAILABLE; PERMISSION_DENIED
// and UNAUTHENTICATED; UNKNOWN and INTERNAL.
const LOST: readonly number[] = [1, 4, 10, 14];
const DENIED: readonly number[] = [7, 16];
const UNEXPLAINED: readonly number[] = [2, 13];
const RESOURCE_EXHAUSTED = 8;

/** What the client says, in an error without a code, when no node of a cluster answers. */
const NOT_DISCOVERED = /^Failed to discover after \d+ attempts/;
/** What nodes say, under changing codes, while a cluster has no leader or cannot keep up. */
const NOT_NOW = /server is not ready|server is too busy|leader info not available|no leader|not enough nodes|quorum/i;
/** What HTTP/2 says of a stream that the other side, or something between, cut off. */
const CUT_OFF = /RST_STREAM|GOAWAY|write after end|ECONNRESET|EPIPE/;
/** A message that does not fit is no matter of time. */
const TOO_LARGE = /larger than max/i;

// A code alone tells nothing: exit codes of programs and the errors of other protocols are small numbers as well.
const GrpcFailure = z.object({
  code: z.number(),
  details: z.string(),
  metadata: z.custom<Pick<Metadata, 'get'>>((value) => typeof value === 'object' && value !== null && 'get' in value),
});

/**
 * What an error of the client tells of the store; undefined for every other error, and for answers about what was asked
 * for, such as a wrong expected version. Takes the client's own errors and the plain gRPC errors that it lets through.
 */
export function storeTrouble(error: unknown): StoreTrouble | undefined {
  if (!(error instanceof Error)) return undefined;
  if (isCommandError(error)) return troubleOfType(error.type, error.message) ?? troubleOfCall(error._raw);
  if (NOT_DISCOVERED.test(error.message)) return 'refused';
  return troubleOfCall(error);
}

function troubleOfType(type: ErrorType, message: string): StoreTrouble | undefined {
  switch (type) {
    case ErrorType.UNAVAILABLE:
      return NOT_NOW.test(message) ? 'refused' : 'lost';
    // The server's own time-outs, also while it waits for a quorum.
    case ErrorType.TIMEOUT:
    case ErrorType.DEADLINE_EXCEEDED:
    case ErrorType.CANCELLED:
      return 'lost';
    // The client goes to the leader that it was told of with the next call.
    case ErrorType.NOT_LEADER:
      return 'refused';
    case ErrorType.ACCESS_DENIED:
      return 'denied';
    case ErrorType.UNKNOWN:
      return NOT_NOW.test(message) ? 'refused' : undefined;
    default:
      return undefined;
  }
}

function troubleOfCall(error: unknown): StoreTrouble | undefined {
  const failure = GrpcFailure.safeParse(error);
  if (!failure.success) return undefined;
  const { code, details, metadata } = failure.data;
  if (metadata.get('exception')[0] === ErrorType.NOT_LEADER || NOT_NOW.test(details)) return 'refused';
  if (code === RESOURCE_EXHAUSTED) return TOO_LARGE.test(details) ? undefined : 'refused';
  if (UNEXPLAINED.includes(code)) return CUT_OFF.test(details) ? 'lost' : undefined;
  if (LOST.includes(code)) return 'lost';
  return DENIED.includes(code) ? 'denied' : undefined;
}

/** Whether an error says that the store is away, cannot do it now or does not let us: time or an operator cures it. */
export function isStoreOutage(error: unknown): boolean {
  return error instanceof EventStoreAwayError || storeTrouble(error) !== undefined;
}

/**
 * Whether the store does not let our user, so that somebody has to do something. Errors that wrap such an error count
 * as it.
 */
export function isStoreDenial(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error instanceof EventStoreDeniedError || storeTrouble(error) === 'denied' || isStoreDenial(error.cause);
}

const WHY: Readonly<Record<StoreTrouble, string>> = {
  lost: 'the event store went away',
  refused: 'the event store cannot do it now',
  denied:
    'the event store does not let our user: look at the user and the password in EVENTSTORE_URL and at the rights of that user',
};

/**
 * What a failed read is to its caller: EventStoreAwayError where the store was away or refused, else the error as it
 * is.
 */
export function awayError(what: string, error: unknown): Error {
  const trouble = storeTrouble(error);
  if (trouble === 'denied') return new EventStoreDeniedError(`${what}: ${WHY.denied}`, { cause: error });
  if (trouble !== undefined) return new EventStoreAwayError(`${what}: ${WHY[trouble]}`, { cause: error });
  return error instanceof Error ? error : new Error(String(error));
}
