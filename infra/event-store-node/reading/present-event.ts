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
    const link = request.resolveLinks && view.type === LINK_TYPE ? parseLink(view.data.toString()) : 'no link';
    if (link === 'no link')
      return readResponse({ event: recorded(recordedEventOf(record)), link: undefined, position: view.position });
    const target = link === 'broken' ? undefined : linkTarget(storage, link);
    const event = target === undefined ? undefined : recorded(recordedEventOf(target));
    return readResponse({ event, link: recorded(recordedEventOf(record)), position: view.position });
  };
}

/** What a link names: an event of a stream, the last one by -1. */
interface Link {
  readonly revision: number;
  readonly streamName: string;
}

/** What .NET takes for a whole number: white space around it, and a sign, but neither a point nor a base. */
const WHOLE_NUMBER = /^[\t-\r ]*([+-]?\d+)[\t-\r ]*$/;
const LAST = -1;
const LEAST_INT64 = -(2n ** 63n);
const GREATEST_INT64 = 2n ** 63n - 1n;

/**
 * Reads `revision@stream`. What does not begin with a number is an event like any other; a number that leads nowhere is
 * a broken link.
 */
function parseLink(text: string): Link | 'broken' | 'no link' {
  const separator = text.indexOf('@');
  const digits = WHOLE_NUMBER.exec(separator < 0 ? text : text.slice(0, separator))?.[1];
  if (digits === undefined) return 'no link';
  const exact = BigInt(digits.replace('+', ''));
  if (exact < LEAST_INT64 || exact > GREATEST_INT64) return 'no link';
  const streamName = text.slice(separator + 1);
  return separator < 0 || exact < LAST || streamName === '' ? 'broken' : { revision: Number(exact), streamName };
}

/** The record that a link names, if it is there and may be shown. */
function linkTarget(storage: Storage, { revision, streamName }: Link): Buffer | undefined {
  const state = readableState(storage, streamName);
  if (state.tombstoned) return undefined;
  const from = revision === LAST ? state.revision : revision;
  const page = readStreamPage(storage, { streamName, state }, { from, backwards: false }, ONE);
  return page.next === from + 1 ? page.records[0] : undefined;
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
