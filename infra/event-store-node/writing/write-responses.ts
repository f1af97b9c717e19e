import { status } from '@grpc/grpc-js';
import type { ExpectedRevision } from '../check-append.ts';
import { MAX_APPEND_BYTES } from '../rpc-error.ts';
import { bytesFieldSize, field, messageField, varintSize, writeBytesField, writeVarint } from '../wire.ts';
import type { WriteOutcome } from '../storage/write-group.ts';

type Written = Extract<WriteOutcome, { kind: 'written' }>;

const EMPTY = Buffer.alloc(0);

/** A refusal of one batch: a `google.rpc.Status` whose details the official client tells apart by type. */
export type BatchRefusal =
  | { readonly kind: 'wrong-expected-revision'; readonly current: number; readonly expected: ExpectedRevision }
  | { readonly kind: 'stream-deleted'; readonly streamName: string }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'maximum-append-size-exceeded' }
  | { readonly kind: 'bad-request'; readonly message: string }
  | { readonly kind: 'unknown' };

/** The batch whose answer is encoded: its correlation id as it came, and its stream. */
export interface BatchIdentity {
  readonly correlation: Buffer;
  readonly streamName: string;
}

/** An encoded `BatchAppendResp` for a batch that is on disk. */
export function batchWritten(batch: BatchIdentity, written: Written): Buffer {
  if (written.revision < 0 || written.position === undefined)
    return batchResponse(batch, messageField(3, ...successFields(written)));
  // Nearly every answer is this one, so it is written without detours.
  const name = Buffer.byteLength(batch.streamName);
  const position = 2 * (1 + varintSize(written.position));
  const success = 1 + varintSize(written.revision) + bytesFieldSize(position);
  const identifier = bytesFieldSize(name);
  const target = Buffer.allocUnsafe(
    bytesFieldSize(batch.correlation.length) + bytesFieldSize(success) + bytesFieldSize(identifier),
  );
  let at = writeBytesField(target, 0, 0x0a, batch.correlation);
  at = writeVarint(target, writeTag(target, at, 0x1a), success);
  at = writeVarint(target, writeTag(target, at, 0x08), written.revision);
  at = writeVarint(target, writeTag(target, at, 0x1a), position);
  at = writeVarint(target, writeTag(target, at, 0x08), written.position);
  at = writeVarint(target, writeTag(target, at, 0x10), written.position);
  at = writeVarint(target, writeTag(target, at, 0x22), identifier);
  at = writeVarint(target, writeTag(target, at, 0x1a), name);
  target.write(batch.streamName, at);
  return target;
}

function writeTag(target: Buffer, offset: number, tag: number): number {
  target[offset] = tag;
  return offset + 1;
}

/** An encoded `BatchAppendResp` for a batch of which nothing was written. */
export function batchRefused(batch: BatchIdentity, refusal: BatchRefusal): Buffer {
  const { code, message, type, details } = describe(refusal);
  const any = messageField(3, field(1, `type.googleapis.com/${type}`), field(2, details));
  return batchResponse(batch, messageField(2, field(1, code), field(2, message), any));
}

function batchResponse(batch: BatchIdentity, result: Buffer): Buffer {
  return Buffer.concat([field(1, batch.correlation), result, messageField(4, field(3, batch.streamName))]);
}

/** An encoded `AppendResp` for events that are on disk. */
export function appendWritten(written: Written): Buffer {
  return messageField(1, ...successFields(written));
}

/** An encoded `AppendResp` for a stream in another state than expected. */
export function appendWrongRevision(current: number, expected: ExpectedRevision): Buffer {
  const actual = current < 0 ? field(7, EMPTY) : field(6, current);
  return messageField(2, actual, expectedField(expected, { revision: 8, any: 9, streamExists: 10, noStream: 11 }));
}

/** An encoded `DeleteResp` or `TombstoneResp`. */
export function deleted(written: Written): Buffer {
  return written.position === undefined
    ? field(2, EMPTY)
    : messageField(1, field(1, written.position), field(2, written.position));
}

function successFields(written: Written): Buffer[] {
  const revision = written.revision < 0 ? field(2, EMPTY) : field(1, written.revision);
  const { position } = written;
  return [revision, position === undefined ? field(4, EMPTY) : messageField(3, field(1, position), field(2, position))];
}

function describe(refusal: BatchRefusal): { code: status; message: string; type: string; details: Buffer } {
  const own = (name: string): string => `event_store.client.${name}`;
  switch (refusal.kind) {
    case 'wrong-expected-revision': {
      const current = refusal.current < 0 ? field(2, EMPTY) : field(1, refusal.current);
      const expected = expectedField(refusal.expected, { revision: 3, any: 4, streamExists: 5, noStream: 6 });
      const details = Buffer.concat([current, expected]);
      return {
        code: status.ALREADY_EXISTS,
        message: 'WrongExpectedVersion',
        type: own('WrongExpectedVersion'),
        details,
      };
    }
    case 'stream-deleted': {
      const details = messageField(1, field(3, refusal.streamName));
      return { code: status.NOT_FOUND, message: 'StreamDeleted', type: own('StreamDeleted'), details };
    }
    case 'timeout':
      return { code: status.DEADLINE_EXCEEDED, message: 'Timeout', type: own('Timeout'), details: EMPTY };
    case 'maximum-append-size-exceeded': {
      const type = own('MaximumAppendSizeExceeded');
      return {
        code: status.INVALID_ARGUMENT,
        message: 'MaximumAppendSizeExceeded',
        type,
        details: field(1, MAX_APPEND_BYTES),
      };
    }
    case 'bad-request':
      return {
        code: status.INVALID_ARGUMENT,
        message: refusal.message,
        type: own('BadRequest'),
        details: field(1, refusal.message),
      };
    case 'unknown':
      return { code: status.UNKNOWN, message: 'Unknown', type: own('Unknown'), details: EMPTY };
    default:
      return refusal satisfies never;
  }
}

function expectedField(
  expected: ExpectedRevision,
  numbers: { revision: number; any: number; streamExists: number; noStream: number },
): Buffer {
  switch (expected.kind) {
    case 'revision':
      return field(numbers.revision, expected.revision);
    case 'any':
      return field(numbers.any, EMPTY);
    case 'stream-exists':
      return field(numbers.streamExists, EMPTY);
    case 'no-stream':
      return field(numbers.noStream, EMPTY);
    default:
      return expected satisfies never;
  }
}
