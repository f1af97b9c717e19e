import {
  bytesFieldSize,
  MalformedMessageError,
  varintSize,
  WireReader,
  writeBytesField,
  writeVarint,
} from '../wire.ts';

/**
 * An event as a client proposes it, before it has a place in the log. `data` and `customMetadata` may share memory with
 * the request.
 */
export interface ProposedEvent {
  /** Lower-case UUID with dashes. */
  readonly id: string;
  readonly type: string;
  readonly isJson: boolean;
  readonly data: Uint8Array;
  readonly customMetadata: Uint8Array;
}

/**
 * Where an event goes: its stream, its revision there, its position in `$all` and the moment, in 100 ns ticks since
 * 1970.
 */
export interface Placement {
  readonly streamName: Buffer;
  readonly revision: bigint;
  readonly position: number;
  readonly createdTicks: string;
}

/** The fields of a stored record. Buffers share memory with it. */
export interface RecordView {
  readonly id: string;
  readonly streamName: string;
  readonly revision: bigint;
  readonly position: number;
  readonly type: string;
  readonly isJson: boolean;
  readonly createdMs: number;
  readonly data: Buffer;
  readonly customMetadata: Buffer;
}

/** The revision of a tombstone: the greatest signed 64-bit number. */
export const TOMBSTONE_REVISION = 0x7fffffffffffffffn;

const JSON_TYPE = Buffer.from('application/json');
const BINARY_TYPE = Buffer.from('application/octet-stream');
const TYPE_KEY = mapKey('type');
const CONTENT_TYPE_KEY = mapKey('content-type');
const CREATED_KEY = mapKey('created');
const UUID_LENGTH = 36;
const TAG = {
  id: 0x0a,
  stream: 0x12,
  revision: 0x18,
  prepare: 0x20,
  commit: 0x28,
  metadata: 0x32,
  custom: 0x3a,
  data: 0x42,
};

function mapKey(name: string): Buffer {
  return Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name)]);
}

function mapEntrySize(key: Buffer, value: Uint8Array): number {
  return bytesFieldSize(key.length + bytesFieldSize(value.length));
}

function writeMapEntry(target: Buffer, offset: number, key: Buffer, value: Uint8Array): number {
  target[offset] = TAG.metadata;
  let at = writeVarint(target, offset + 1, key.length + bytesFieldSize(value.length));
  target.set(key, at);
  at += key.length;
  return writeBytesField(target, at, 0x12, value);
}

function revisionSize(revision: bigint): number {
  return revision === TOMBSTONE_REVISION ? 9 : varintSize(Number(revision));
}

function writeRevision(target: Buffer, offset: number, revision: bigint): number {
  if (revision !== TOMBSTONE_REVISION) return writeVarint(target, offset, Number(revision));
  target.fill(0xff, offset, offset + 8);
  target[offset + 8] = 0x7f;
  return offset + 9;
}

/**
 * The complete wire form of the `ReadResp` that carries this event: what is stored is what readers get, byte for byte.
 * The field order is fixed, which `viewRecord` does not rely on.
 */
export function encodeRecord(event: ProposedEvent, place: Placement): Buffer {
  const type = Buffer.from(event.type);
  const contentType = event.isJson ? JSON_TYPE : BINARY_TYPE;
  const created = Buffer.from(place.createdTicks, 'latin1');
  const positionSize = 1 + varintSize(place.position);
  const streamSize = bytesFieldSize(place.streamName.length);
  const recordedSize =
    bytesFieldSize(bytesFieldSize(UUID_LENGTH)) +
    bytesFieldSize(streamSize) +
    1 +
    revisionSize(place.revision) +
    2 * positionSize +
    mapEntrySize(TYPE_KEY, type) +
    mapEntrySize(CREATED_KEY, created) +
    mapEntrySize(CONTENT_TYPE_KEY, contentType) +
    bytesFieldSize(event.customMetadata.length) +
    bytesFieldSize(event.data.length);
  const readEventSize = bytesFieldSize(recordedSize) + positionSize;
  const target = Buffer.allocUnsafe(bytesFieldSize(readEventSize));
  target[0] = 0x0a;
  let at = writeVarint(target, 1, readEventSize);
  target[at] = 0x0a;
  at = writeVarint(target, at + 1, recordedSize);
  target[at++] = TAG.id;
  target[at++] = UUID_LENGTH + 2;
  target[at++] = 0x12;
  target[at++] = UUID_LENGTH;
  at += target.write(event.id, at, UUID_LENGTH, 'latin1');
  target[at] = TAG.stream;
  at = writeVarint(target, at + 1, streamSize);
  at = writeBytesField(target, at, 0x1a, place.streamName);
  target[at] = TAG.revision;
  at = writeRevision(target, at + 1, place.revision);
  target[at] = TAG.prepare;
  at = writeVarint(target, at + 1, place.position);
  target[at] = TAG.commit;
  at = writeVarint(target, at + 1, place.position);
  at = writeMapEntry(target, at, TYPE_KEY, type);
  at = writeMapEntry(target, at, CREATED_KEY, created);
  at = writeMapEntry(target, at, CONTENT_TYPE_KEY, contentType);
  at = writeBytesField(target, at, TAG.custom, event.customMetadata);
  at = writeBytesField(target, at, TAG.data, event.data);
  target[at] = 0x18;
  writeVarint(target, at + 1, place.position);
  return target;
}

function only(buffer: Buffer, field: number): Buffer {
  const reader = new WireReader(buffer);
  for (let number = reader.next(); number !== 0; number = reader.next()) {
    if (number === field) return reader.bytes();
    reader.skip();
  }
  throw new MalformedMessageError(`field ${field} is missing`);
}

/** The `RecordedEvent` message inside a stored record, sharing memory with it. */
export function recordedEventOf(record: Buffer): Buffer {
  return only(only(record, 1), 1);
}

/** Key and value of one metadata map entry. */
export function mapEntry(entry: Buffer): [key: string, value: string] {
  const reader = new WireReader(entry);
  let key = '';
  let value = '';
  for (let number = reader.next(); number !== 0; number = reader.next()) {
    if (number === 1) key = reader.bytes().toString();
    else if (number === 2) value = reader.bytes().toString();
    else reader.skip();
  }
  return [key, value];
}

/** Reads a stored record. Throws MalformedMessageError if it is not one. */
export function viewRecord(record: Buffer): RecordView {
  const reader = new WireReader(recordedEventOf(record));
  const view = {
    id: '',
    streamName: '',
    revision: 0n,
    position: 0,
    type: '',
    isJson: false,
    createdMs: 0,
    data: record.subarray(0, 0),
    customMetadata: record.subarray(0, 0),
  };
  const metadata = (entry: Buffer): void => {
    const [key, value] = mapEntry(entry);
    if (key === 'type') view.type = value;
    else if (key === 'created') view.createdMs = Number(value) / 10_000;
    else if (key === 'content-type') view.isJson = value === 'application/json';
  };
  for (let number = reader.next(); number !== 0; number = reader.next()) {
    switch (number) {
      case 1:
        view.id = only(reader.bytes(), 2).toString('latin1');
        break;
      case 2:
        view.streamName = only(reader.bytes(), 3).toString();
        break;
      case 3:
        view.revision = reader.varintExact();
        break;
      case 5:
        view.position = reader.varint();
        break;
      case 6:
        metadata(reader.bytes());
        break;
      case 7:
        view.customMetadata = reader.bytes();
        break;
      case 8:
        view.data = reader.bytes();
        break;
      default:
        reader.skip();
    }
  }
  return view;
}
