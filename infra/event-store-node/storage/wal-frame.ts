import { crc32 } from 'node:zlib';
import { MalformedMessageError, varintSize, WireReader } from '../wire.ts';

/** One group of records as the write-ahead log holds it. */
export interface WalFrame {
  /** Grows with each file that is begun; tells a frame from an older one in the rest of a file that is used again. */
  readonly epoch: number;
  /** Position of the first record. */
  readonly start: number;
  /** The records, one behind the other. */
  readonly payload: Buffer;
}

const MAGIC = 0x57414c31;
const HEADER = { magic: 0, checksum: 4, epoch: 8, length: 12, start: 16, size: 24 };

/**
 * The bytes of a frame: a header with a checksum over all that follows it, then the records. Its memory belongs to it
 * alone.
 */
export function encodeFrame(epoch: number, start: number, records: readonly Buffer[]): Buffer<ArrayBuffer> {
  const length = records.reduce((sum, record) => sum + record.length, 0);
  const frame = Buffer.from(new ArrayBuffer(HEADER.size + length));
  frame.writeUInt32LE(MAGIC, HEADER.magic);
  frame.writeUInt32LE(epoch, HEADER.epoch);
  frame.writeUInt32LE(length, HEADER.length);
  frame.writeDoubleLE(start, HEADER.start);
  let at = HEADER.size;
  for (const record of records) {
    frame.set(record, at);
    at += record.length;
  }
  frame.writeUInt32LE(crc32(frame.subarray(HEADER.epoch)), HEADER.checksum);
  return frame;
}

/** The frame at an offset of a file; undefined where there is none, or one that was not written to its end. */
export function decodeFrame(file: Buffer, offset: number): WalFrame | undefined {
  if (offset + HEADER.size > file.length || file.readUInt32LE(offset + HEADER.magic) !== MAGIC) return undefined;
  const end = offset + HEADER.size + file.readUInt32LE(offset + HEADER.length);
  if (
    end > file.length ||
    crc32(file.subarray(offset + HEADER.epoch, end)) !== file.readUInt32LE(offset + HEADER.checksum)
  )
    return undefined;
  return {
    epoch: file.readUInt32LE(offset + HEADER.epoch),
    start: file.readDoubleLE(offset + HEADER.start),
    payload: file.subarray(offset + HEADER.size, end),
  };
}

/** The frames that a file begins with; what a file held before it was used again does not count. */
export function framesOf(file: Buffer): WalFrame[] {
  const frames: WalFrame[] = [];
  for (let offset = 0; ;) {
    const frame = decodeFrame(file, offset);
    if (frame === undefined || frame.epoch !== (frames[0] ?? frame).epoch) return frames;
    frames.push(frame);
    offset += HEADER.size + frame.payload.length;
  }
}

/** The records of a frame, sharing memory with it. Throws MalformedMessageError if it does not consist of records. */
export function splitRecords(payload: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < payload.length;) {
    const reader = new WireReader(payload, at);
    if (reader.next() !== 1) throw new MalformedMessageError('a frame holds something else than records');
    const { length } = reader.bytes();
    const end = at + 1 + varintSize(length) + length;
    records.push(payload.subarray(at, end));
    at = end;
  }
  return records;
}

/** The records of a frame as `encodeFrame` gave it, sharing memory with it. */
export function recordsOfFrame(frame: Buffer): Buffer[] {
  return splitRecords(frame.subarray(HEADER.size));
}
