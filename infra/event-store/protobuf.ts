/** A message that does not follow the protobuf wire format. */
export class MalformedMessageError extends Error {
  override readonly name = 'MalformedMessageError';
}

// Wire types.
const [VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES] = [0, 1, 2, 5];
// A number comes in bytes of seven bits; all but the last have the eighth set.
const [LAST_BYTE, PAYLOAD, BITS] = [0x80, 0x7f, 7];

/**
 * A place in an encoded message. `end` is where the part of it that is being read is over: a caller that reads a
 * message inside narrows it, and widens it again. Text and bytes are taken from `bytes` by their places, without views
 * of their own.
 */
export type Cursor = { readonly bytes: Buffer; at: number; end: number; wire: number };

/** The number of the next field; 0 at the end. */
export function next(cursor: Cursor): number {
  if (cursor.at >= cursor.end) return 0;
  const tag = small(cursor);
  cursor.wire = tag & 7;
  return tag >>> 3;
}

/** Where the field of a length ends, the cursor at its first byte. */
export function lengthEnd(cursor: Cursor): number {
  if (cursor.wire !== LENGTH)
    throw new MalformedMessageError(`wire type ${String(cursor.wire)} where a length was expected`);
  const length = small(cursor);
  const end = cursor.at + length;
  if (end > cursor.end) throw new MalformedMessageError('a field is longer than its message');
  return end;
}

/** Passes over the field that `next` announced. */
export function skip(cursor: Cursor): void {
  switch (cursor.wire) {
    case VARINT:
      varint(cursor);
      return;
    case EIGHT_BYTES:
      cursor.at += 8;
      return;
    case LENGTH:
      cursor.at = lengthEnd(cursor);
      return;
    case FOUR_BYTES:
      cursor.at += 4;
      return;
    default:
      throw new MalformedMessageError(`unknown wire type ${String(cursor.wire)}`);
  }
}

/** A tag or a length: below 2^31. */
function small(cursor: Cursor): number {
  let value = 0;
  for (let shift = 0; shift < 4 * BITS + BITS; shift += BITS) {
    const byte = byteOf(cursor);
    value += (byte & PAYLOAD) * 2 ** shift;
    if (byte < LAST_BYTE) return value;
  }
  throw new MalformedMessageError('a number is too long');
}

/** The number of a field, exact over the whole unsigned 64 bits. */
export function varint(cursor: Cursor): bigint {
  let [low, shift] = [0, 0];
  // Seven bytes fit into a number without loss, which is cheaper than a BigInt for each.
  for (; shift < 7 * BITS; shift += BITS) {
    const byte = byteOf(cursor);
    low += (byte & PAYLOAD) * 2 ** shift;
    if (byte < LAST_BYTE) return BigInt(low);
  }
  let high = 0n;
  for (let at = 0n; at < 21n; at += 7n) {
    const byte = byteOf(cursor);
    high |= BigInt(byte & PAYLOAD) << at;
    if (byte < LAST_BYTE) return BigInt.asUintN(64, (high << 49n) | BigInt(low));
  }
  throw new MalformedMessageError('a number is too long');
}

function byteOf(cursor: Cursor): number {
  const byte = cursor.at < cursor.end ? cursor.bytes[cursor.at] : undefined;
  if (byte === undefined) throw new MalformedMessageError('the message ends inside a field');
  cursor.at += 1;
  return byte;
}
