import type { ReadRequest } from './read-request.ts';
import { recordedEventOf, viewRecord } from '../storage/record.ts';
import type { Storage } from '../storage/storage.ts';
import { readableState, readStreamPage } from '../storage/stream-reader.ts';
import { bytesFieldSize, field, messageField, varintSize, WireReader, writeBytesField, writeVarint } from '../wire.ts';

const LINK_TYPE = '$>';
const ONE = { records: 1, bytes: 1 };

/** How stored records look to this reader: unchanged, unless links are to be resolved or ids wanted as numbers. */
export function presenter(storage: Storage, request: ReadRequest): (record: Buffer) => Buffer {
  if (!request.resolveLinks && !request.structuredIds) return (record) => record;
  const recorded = request.structuredIds ? withStructuredId : (event: Buffer) => event;
  return (record) => {
    const view = viewRecord(record);
    const isLink = request.resolveLinks && view.type === LINK_TYPE;
    if (!isLink)
      return readResponse({ event: recorded(recordedEventOf(record)), link: undefined, position: view.position });
    const target = linkTarget(storage, view.data.toString());
    const event = target === undefined ? undefined : recorded(recordedEventOf(target));
    return readResponse({ event, link: recorded(recordedEventOf(record)), position: view.position });
  };
}

/** The record that `revision@stream` names, if it is there and may be shown. */
function linkTarget(storage: Storage, link: string): Buffer | undefined {
  const separator = link.indexOf('@');
  const revision = Number(link.slice(0, separator));
  const streamName = link.slice(separator + 1);
  if (separator < 1 || !Number.isSafeInteger(revision) || revision < 0) return undefined;
  const state = readableState(storage, streamName);
  if (state.tombstoned) return undefined;
  const page = readStreamPage(storage, { streamName, state }, { from: revision, backwards: false }, ONE);
  return page.next === revision + 1 ? page.records[0] : undefined;
}

function readResponse(parts: { event: Buffer | undefined; link: Buffer | undefined; position: number }): Buffer {
  const size = (part: Buffer | undefined): number => (part === undefined ? 0 : bytesFieldSize(part.length));
  const inner = size(parts.event) + size(parts.link) + 1 + varintSize(parts.position);
  const target = Buffer.allocUnsafe(bytesFieldSize(inner));
  target[0] = 0x0a;
  let at = writeVarint(target, 1, inner);
  if (parts.event !== undefined) at = writeBytesField(target, at, 0x0a, parts.event);
  if (parts.link !== undefined) at = writeBytesField(target, at, 0x12, parts.link);
  target[at] = 0x18;
  writeVarint(target, at + 1, parts.position);
  return target;
}

/** The same recorded event with its id as two 64-bit numbers. */
function withStructuredId(event: Buffer): Buffer {
  const reader = new WireReader(event);
  if (reader.next() !== 1) return event;
  const textField = reader.bytes();
  const rest = event.subarray(2 + textField.length);
  const hex = textField.subarray(2).toString('latin1').replaceAll('-', '');
  const structured = messageField(1, field(1, BigInt(`0x${hex.slice(0, 16)}`)), field(2, BigInt(`0x${hex.slice(16)}`)));
  return Buffer.concat([field(1, structured), rest]);
}
