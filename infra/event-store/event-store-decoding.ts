import type { Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { positionOf } from './event-store-positions.ts';
import { lengthEnd, MalformedMessageError, next, skip, varint, type Cursor } from './protobuf.ts';

/** A message of a read: where it stands in the log, and the event unless it is one of the system's. */
export type Decoded = { readonly position: Position; readonly event: RecordedEvent | undefined };

/** The types of events whose data and metadata are needed. */
export type Wanted = Pick<ReadonlySet<string>, 'has'>;

// What the client says of an event without a type.
const NO_TYPE = '<no-event-type-provided>';
const TICKS_PER_MS_DIGITS = 4;

/**
 * Decodes one `ReadResp` straight into an event: the classes that the client generates for it, and then converts, cost
 * more than all that a replay does with an event. `data` and `metadata` of types that are not `wanted` stay undefined.
 * Undefined for messages without an event. Throws MalformedMessageError.
 */
export function decodeRead(bytes: Buffer, wanted: Wanted): Decoded | undefined {
  const cursor: Cursor = { bytes, at: 0, end: bytes.length, wire: 0 };
  // ReadResp.event, then ReadEvent.event: both are field 1.
  return enter(cursor, 1) && enter(cursor, 1) ? recorded(cursor, wanted) : undefined;
}

/** Narrows the cursor to a field that holds a message; false when it is not there. */
function enter(cursor: Cursor, wantedField: number): boolean {
  for (let field = next(cursor); field !== 0; field = next(cursor)) {
    if (field === wantedField) {
      const end = lengthEnd(cursor);
      cursor.end = end;
      return true;
    }
    skip(cursor);
  }
  return false;
}

type Span = { from: number; to: number };
type Fields = {
  id: string;
  streamId: string;
  revision: bigint;
  prepare: bigint;
  commit: bigint;
  type: string;
  created: string;
  isJson: boolean;
  metadata: Span;
  data: Span;
};

function recorded(cursor: Cursor, wanted: Wanted): Decoded {
  const fields: Fields = {
    id: '',
    streamId: '',
    revision: 0n,
    prepare: 0n,
    commit: 0n,
    type: NO_TYPE,
    created: '',
    isJson: false,
    metadata: { from: 0, to: 0 },
    data: { from: 0, to: 0 },
  };
  for (let field = next(cursor); field !== 0; field = next(cursor)) take(cursor, field, fields);
  const { id, streamId, revision, type, metadata, data } = fields;
  const position = positionOf(fields);
  if (id === '' || streamId === '') throw new MalformedMessageError(`an event at ${position} has no id or no stream`);
  if (type.startsWith('$') || streamId.startsWith('$')) return { position, event: undefined };
  const read = wanted.has(type);
  return {
    position,
    event: {
      streamId,
      revision,
      position,
      id,
      type,
      data: read ? valueOf(cursor.bytes, data, fields.isJson) : undefined,
      metadata: read ? metadataOf(cursor.bytes, metadata) : undefined,
      createdAt: new Date(Number(fields.created.slice(0, -TICKS_PER_MS_DIGITS))),
    },
  };
}

function take(cursor: Cursor, field: number, fields: Fields): void {
  switch (field) {
    case 1:
      fields.id = inside(cursor, 2);
      break;
    case 2:
      fields.streamId = inside(cursor, 3);
      break;
    case 3:
      fields.revision = varint(cursor);
      break;
    case 4:
      fields.prepare = varint(cursor);
      break;
    case 5:
      fields.commit = varint(cursor);
      break;
    case 6:
      takeEntry(cursor, fields);
      break;
    case 7:
      takeSpan(cursor, fields.metadata);
      break;
    case 8:
      takeSpan(cursor, fields.data);
      break;
    default:
      skip(cursor);
  }
}

/** JSON as its value; what is not JSON as the client gives it: text that claims to be JSON as text, else bytes. */
function valueOf(bytes: Buffer, { from, to }: Span, isJson: boolean): unknown {
  if (!isJson) return new Uint8Array(bytes.subarray(from, to));
  const text = bytes.toString('utf8', from, to);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function metadataOf(bytes: Buffer, { from, to }: Span): unknown {
  if (from === to) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8', from, to));
  } catch {
    return new Uint8Array(bytes.subarray(from, to));
  }
}

function takeEntry(cursor: Cursor, fields: Fields): void {
  const outer = cursor.end;
  cursor.end = lengthEnd(cursor);
  let [key, value] = ['', ''];
  for (let field = next(cursor); field !== 0; field = next(cursor)) {
    if (field === 1) key = text(cursor);
    else if (field === 2) value = text(cursor);
    else skip(cursor);
  }
  cursor.end = outer;
  if (key === 'type') fields.type = value;
  else if (key === 'created') fields.created = value;
  else if (key === 'content-type') fields.isJson = value === 'application/json';
}

/** The text of one field of a message that has few others. */
function inside(cursor: Cursor, wantedField: number): string {
  const outer = cursor.end;
  cursor.end = lengthEnd(cursor);
  let found = '';
  for (let field = next(cursor); field !== 0; field = next(cursor)) {
    if (field === wantedField) found = text(cursor);
    else skip(cursor);
  }
  cursor.end = outer;
  return found;
}

function takeSpan(cursor: Cursor, span: Span): void {
  span.to = lengthEnd(cursor);
  span.from = cursor.at;
  cursor.at = span.to;
}

function text(cursor: Cursor): string {
  const end = lengthEnd(cursor);
  const value = cursor.bytes.toString('utf8', cursor.at, end);
  cursor.at = end;
  return value;
}
