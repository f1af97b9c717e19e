import { Metadata, status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import type { ExpectedRevision } from './check-append.ts';

/** 1 MiB: what a real node takes in one append unless told otherwise. */
export const MAX_APPEND_BYTES = 1024 * 1024;

/**
 * A refusal that ends a call: gRPC status, message, and the trailers by which the official client tells refusals apart.
 */
export class RpcError extends Error implements ServiceError {
  override readonly name = 'RpcError';
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;

  constructor(code: status, details: string, trailers: Readonly<Record<string, string>> = {}) {
    super(details);
    this.code = code;
    this.details = details;
    this.metadata = new Metadata();
    for (const [key, value] of Object.entries(trailers)) this.metadata.set(key, value);
  }
}

/** The request is not one that any state of the log could satisfy. */
export function invalidArgument(details: string): RpcError {
  return new RpcError(status.INVALID_ARGUMENT, details);
}

/**
 * A read that no log answers. EventStoreDB fails on it inside, so that the client hears of an unknown error (code 2).
 */
export function unreadable(details: string): RpcError {
  return new RpcError(status.UNKNOWN, details);
}

/** The stream has a tombstone. */
export function streamDeleted(streamName: string): RpcError {
  const trailers = { exception: 'stream-deleted', 'stream-name': streamName };
  return new RpcError(status.FAILED_PRECONDITION, `Event stream '${streamName}' is deleted.`, trailers);
}

/**
 * The stream is not in the state that a delete expects. `current` is -1 for a stream without events, and is told as
 * that number: only the answers to appends have a word for "no stream".
 */
export function wrongExpectedVersion(streamName: string, expected: ExpectedRevision, current: number): RpcError {
  const trailers = {
    exception: 'wrong-expected-version',
    'stream-name': streamName,
    'expected-version': String(expectedVersionNumber(expected)),
    'actual-version': String(current),
  };
  const details =
    `Append failed due to WrongExpectedVersion. Stream: ${streamName}, ` +
    `Expected version: ${expectedVersionNumber(expected)}, Actual version: ${current}`;
  return new RpcError(status.FAILED_PRECONDITION, details, trailers);
}

/** The events of one append are too large together. */
export function maximumAppendSizeExceeded(): RpcError {
  const trailers = { exception: 'maximum-append-size-exceeded', 'maximum-append-size': String(MAX_APPEND_BYTES) };
  return new RpcError(status.INVALID_ARGUMENT, `Maximum Append Size of ${MAX_APPEND_BYTES} Exceeded.`, trailers);
}

/** An event comes without metadata that every event must have. */
export function missingMetadata(properties: readonly string[]): RpcError {
  const trailers = {
    exception: 'missing-required-metadata-property',
    'required-metadata-properties': properties.join(','),
  };
  return new RpcError(
    status.INVALID_ARGUMENT,
    `Required Metadata Property ${properties.join(',')} is missing`,
    trailers,
  );
}

/** Whatever ends a call, as the error that goes to the client. Nothing about the inside of an unexpected error does. */
export function toRpcError(error: unknown): RpcError {
  return error instanceof RpcError
    ? error
    : new RpcError(status.UNKNOWN, 'The event store could not complete the call.');
}

/** The decimal form of an expected revision on the wire: EventStoreDB's negative numbers for the named ones. */
function expectedVersionNumber(expected: ExpectedRevision): bigint {
  switch (expected.kind) {
    case 'any':
      return -2n;
    case 'no-stream':
      return -1n;
    case 'stream-exists':
      return -4n;
    case 'revision':
      return expected.revision;
    default:
      return expected satisfies never;
  }
}
