/** The few protobuf wire primitives that the hot paths need; everything else goes through the generated classes. */

const VARINT_PAYLOAD = 0x80;

/** Bytes that the varint of `value` takes. `value` is a safe non-negative integer. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= VARINT_PAYLOAD; rest = Math.floor(rest / VARINT_PAYLOAD)) size++;
  return size;
}

/** Writes `value` (a safe non-negative integer) as a varint at `offset`; returns the offset after it. */
export function writeVarint(target: Buffer, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  while (rest >= VARINT_PAYLOAD) {
    target[at++] = (rest % VARINT_PAYLOAD) | VARINT_PAYLOAD;
    rest = Math.floor(rest / VARINT_PAYLOAD);
  }
  target[at++] = rest;
  return at;
}

/**
 * Writes a length-delimited field whose number and wire type are already one byte `tag`; returns the offset after it.
 */
export function writeBytesField(target: Buffer, offset: number, tag: number, bytes: Uint8Array): number {
  target[offset] = tag;
  const at = writeVarint(target, offset + 1, bytes.length);
  target.set(bytes, at);
  return at + bytes.length;
}

/** Bytes that a one-byte-tag length-delimited field with `length` bytes of content takes. */
export function bytesFieldSize(length: number): number {
  return 1 + varintSize(length) + length;
}

/** A message that does not follow the protobuf wire format. */
export class MalformedMessageError extends Error {
  override readonly name = 'MalformedMessageError';
}

/**
 * A cursor over one protobuf message. `next()` moves to the next field and says its number, 0 at the end; then exactly
 * one of `bytes()`, `varint()` or `skip()` consumes it. Slices share memory with the message.
 */
export class WireReader {
  readonly #buffer: Buffer;
  readonly #end: number;
  #position: number;
  #wireType = 0;

  constructor(buffer: Buffer, start = 0, end = buffer.length) {
    this.#buffer = buffer;
    this.#position = start;
    this.#end = end;
  }

  /** The number of the next field, 0 when the message is over. */
  next(): number {
    if (this.#position >= this.#end) return 0;
    const tag = this.varint();
    this.#wireType = tag & 7;
    return tag >>> 3;
  }

  /** The value of a varint field; above 2^53 it is rounded (use `varintExact` where that matters). */
  varint(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < VARINT_PAYLOAD) return value;
      factor *= VARINT_PAYLOAD;
    }
    throw new MalformedMessageError('varint longer than ten bytes');
  }

  /** The value of a varint field, exact over the whole unsigned 64-bit range. */
  varintExact(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < VARINT_PAYLOAD) return BigInt.asUintN(64, value);
    }
    throw new MalformedMessageError('varint longer than ten bytes');
  }

  /** The content of a length-delimited field, sharing memory with the message. */
  bytes(): Buffer {
    if (this.#wireType !== 2) throw new MalformedMessageError(`wire type ${this.#wireType} where bytes were expected`);
    const length = this.varint();
    const start = this.#position;
    if (start + length > this.#end) throw new MalformedMessageError('field longer than its message');
    this.#position = start + length;
    return this.#buffer.subarray(start, start + length);
  }

  /** Passes over the field that `next()` announced. */
  skip(): void {
    switch (this.#wireType) {
      case 0:
        this.varint();
        return;
      case 1:
        this.#advance(8);
        return;
      case 2:
        this.#advance(this.varint());
        return;
      case 5:
        this.#advance(4);
        return;
      default:
        throw new MalformedMessageError(`unknown wire type ${this.#wireType}`);
    }
  }

  #advance(length: number): void {
    if (this.#position + length > this.#end) throw new MalformedMessageError('field longer than its message');
    this.#position += length;
  }

  #byte(): number {
    const byte = this.#position < this.#end ? this.#buffer[this.#position++] : undefined;
    if (byte === undefined) throw new MalformedMessageError('message ends inside a field');
    return byte;
  }
}

/** One encoded field, for messages that are not written often enough to care for copies. */
export function field(number: number, value: number | bigint | string | Uint8Array): Buffer {
  if (typeof value === 'number' || typeof value === 'bigint')
    return Buffer.from([number << 3, ...varintBytes(BigInt(value))]);
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...varintBytes(BigInt(bytes.length))]), bytes]);
}

/** One encoded message field made of encoded fields. */
export function messageField(number: number, ...fields: Buffer[]): Buffer {
  return field(number, Buffer.concat(fields));
}

function varintBytes(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | VARINT_PAYLOAD);
  bytes.push(Number(rest));
  return bytes;
}
