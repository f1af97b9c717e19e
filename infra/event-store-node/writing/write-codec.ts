import type { ExpectedRevision } from '../check-append.ts';
import type { ProposedEvent } from '../storage/record.ts';
import { mapEntry } from '../storage/record.ts';
import { MAX_APPEND_BYTES } from '../rpc-error.ts';
import { MalformedMessageError, WireReader } from '../wire.ts';

/** The options with which every write begins. */
export interface WriteOptions {
  /** Empty if the client named none. */
  readonly streamName: string;
  readonly expected: ExpectedRevision | undefined;
  /** When the client gives up, in milliseconds since 1970; undefined if it did not say. */
  readonly deadlineMs: number | undefined;
}

/** One chunk of a batch append. */
export interface BatchChunk {
  /** The encoded UUID, to be echoed as it is. */
  readonly correlation: Buffer;
  readonly options: WriteOptions | undefined;
  readonly events: readonly ProposedEvent[];
  readonly isFinal: boolean;
}

/** An event that no log may hold. `missing` names metadata that every event must have. */
export class InvalidEventError extends Error {
  override readonly name = 'InvalidEventError';
  readonly missing: readonly string[];

  constructor(message: string, missing: readonly string[] = []) {
    super(message);
    this.missing = missing;
  }
}

const NOTHING = Buffer.alloc(0);
/** What a record holds beside the event and the name of its stream, roughly. */
const RECORD_OVERHEAD = 200;
/** Bounds very many tiny events and large metadata, which EventStoreDB's measure does not see. */
const MOST_ENCODED_BYTES = 64 * MAX_APPEND_BYTES;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NIL_UUID = '00000000-0000-0000-0000-000000000000';

/** Reads a batch append chunk but for its events. Throws MalformedMessageError for bytes that are none. */
export function decodeBatchChunk(
  message: Buffer,
): Omit<BatchChunk, 'events'> & { readonly proposed: readonly Buffer[] } {
  const reader = new WireReader(message);
  const proposed: Buffer[] = [];
  let correlation: Buffer = NOTHING;
  let options: WriteOptions | undefined;
  let isFinal = false;
  for (let number = reader.next(); number !== 0; number = reader.next()) {
    switch (number) {
      case 1:
        correlation = reader.bytes();
        break;
      case 2:
        options = decodeOptions(reader.bytes());
        break;
      case 3:
        proposed.push(reader.bytes());
        break;
      case 4:
        isFinal = reader.varint() !== 0;
        break;
      default:
        reader.skip();
    }
  }
  return { correlation, options, proposed, isFinal };
}

/** Reads one message of an append call: its options or one proposed event. */
export function decodeAppend(message: Buffer): { options: WriteOptions | undefined; proposed: Buffer | undefined } {
  const reader = new WireReader(message);
  let options: WriteOptions | undefined;
  let proposed: Buffer | undefined;
  for (let number = reader.next(); number !== 0; number = reader.next()) {
    if (number === 1) options = decodeOptions(reader.bytes());
    else if (number === 2) proposed = reader.bytes();
    else reader.skip();
  }
  return { options, proposed };
}

/** Reads the options of an append, delete or tombstone: all four messages number them alike. */
function decodeOptions(message: Buffer): WriteOptions {
  const reader = new WireReader(message);
  let streamName = '';
  let expected: ExpectedRevision | undefined;
  let deadlineMs: number | undefined;
  for (let number = reader.next(); number !== 0; number = reader.next()) {
    switch (number) {
      case 1:
        streamName = decodeStreamName(reader.bytes());
        break;
      case 2:
        expected = { kind: 'revision', revision: reader.varintExact() };
        break;
      case 3:
        expected = { kind: 'no-stream' };
        reader.skip();
        break;
      case 4:
        expected = { kind: 'any' };
        reader.skip();
        break;
      case 5:
        expected = { kind: 'stream-exists' };
        reader.skip();
        break;
      case 6:
        deadlineMs = decodeSeconds(reader.bytes());
        break;
      case 7:
        deadlineMs = Date.now() + decodeSeconds(reader.bytes());
        break;
      default:
        reader.skip();
    }
  }
  return { streamName, expected, deadlineMs };
}

function decodeStreamName(identifier: Buffer): string {
  const reader = new WireReader(identifier);
  let name = '';
  for (let number = reader.next(); number !== 0; number = reader.next()) {
    if (number === 3) name = reader.bytes().toString();
    else reader.skip();
  }
  return name;
}

/** A protobuf Timestamp or Duration, in milliseconds. */
function decodeSeconds(message: Buffer): number {
  const reader = new WireReader(message);
  let milliseconds = 0;
  for (let number = reader.next(); number !== 0; number = reader.next()) {
    const unsigned = reader.varint();
    const value = unsigned >= 2 ** 63 ? unsigned - 2 ** 64 : unsigned;
    if (number === 1) milliseconds += value * 1000;
    else if (number === 2) milliseconds += value / 1_000_000;
  }
  return milliseconds;
}

/** Reads a proposed event. Throws InvalidEventError if it lacks what every event has. */
export function decodeProposed(message: Buffer): ProposedEvent {
  const reader = new WireReader(message);
  const metadata = new Map<string, string>();
  let id = '';
  let data: Buffer = NOTHING;
  let customMetadata: Buffer = NOTHING;
  for (let number = reader.next(); number !== 0; number = reader.next()) {
    switch (number) {
      case 1:
        id = decodeUuid(reader.bytes());
        break;
      case 2:
        metadata.set(...mapEntry(reader.bytes()));
        break;
      case 3:
        customMetadata = reader.bytes();
        break;
      case 4:
        data = reader.bytes();
        break;
      default:
        reader.skip();
    }
  }
  if (!UUID.test(id) || id === NIL_UUID) throw new InvalidEventError('An event has no valid id.');
  return { id, ...describe(metadata), data, customMetadata };
}

function describe(metadata: ReadonlyMap<string, string>): { type: string; isJson: boolean } {
  const type = metadata.get('type');
  const contentType = metadata.get('content-type');
  if (type === undefined) throw new InvalidEventError('An event has no type.', ['type']);
  if (contentType === undefined) throw new InvalidEventError('An event has no content-type.', ['content-type']);
  if (type === '') throw new InvalidEventError('An event has an empty type.');
  return { type, isJson: contentType === 'application/json' };
}

/** The text form of a UUID message, which carries text or two 64-bit numbers. */
function decodeUuid(message: Buffer): string {
  const reader = new WireReader(message);
  for (let number = reader.next(); number !== 0; number = reader.next()) {
    if (number === 2) return reader.bytes().toString().toLowerCase();
    if (number === 1) return decodeStructuredUuid(reader.bytes());
    reader.skip();
  }
  throw new MalformedMessageError('empty UUID');
}

function decodeStructuredUuid(message: Buffer): string {
  const reader = new WireReader(message);
  const halves = [0n, 0n];
  for (let number = reader.next(); number !== 0; number = reader.next()) halves[number - 1] = reader.varintExact();
  const hex = halves.map((half) => half.toString(16).padStart(16, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

/**
 * Keeps count of what one append may hold: of data alone, as on EventStoreDB, and far more bytes of everything
 * together.
 */
export class AppendBudget {
  readonly #overheadPerEvent: number;
  #dataBytes = 0;
  #encodedBytes = 0;

  constructor(streamName: string) {
    this.#overheadPerEvent = Buffer.byteLength(streamName) + RECORD_OVERHEAD;
  }

  /** Counts an event; says whether the append still holds no more than it may. */
  fits(event: ProposedEvent): boolean {
    this.#dataBytes += event.data.length;
    this.#encodedBytes +=
      2 * event.type.length + event.data.length + event.customMetadata.length + this.#overheadPerEvent;
    return this.#dataBytes <= MAX_APPEND_BYTES && this.#encodedBytes <= MOST_ENCODED_BYTES;
  }
}
