import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeRecord } from './record.ts';
import { encodeFrame, framesOf, recordsOfFrame, splitRecords } from './wal-frame.ts';

const record = fc
  .record({ id: fc.uuid(), data: fc.uint8Array({ maxLength: 400 }), position: fc.maxSafeNat() })
  .map(({ id, data, position }) =>
    encodeRecord(
      { id, type: 'happened', isJson: false, data, customMetadata: Buffer.alloc(0) },
      { streamName: Buffer.from('stream'), revision: 1n, position, createdTicks: '1' },
    ),
  );
const groups = fc.array(fc.array(record, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 5 });

/** A file that begins with these groups, at positions that follow each other. */
function fileOf(epoch: number, written: Buffer[][]): Buffer {
  let start = 256;
  return Buffer.concat(
    written.map((records) => {
      const frame = encodeFrame(epoch, start, records);
      start += Buffer.concat(records).length;
      return frame;
    }),
  );
}

describe('a write-ahead file', () => {
  it('gives back every group whole and in its place', () => {
    fc.assert(
      fc.property(groups, fc.nat(1000), (written, rest) => {
        const frames = framesOf(Buffer.concat([fileOf(7, written), Buffer.alloc(rest)]));
        expect(frames.map(({ payload }) => splitRecords(payload))).toEqual(written);
        expect(frames.every(({ epoch }) => epoch === 7)).toBe(true);
        expect(frames.map(({ start }) => start)).toEqual(
          written.map((_, index) => 256 + Buffer.concat(written.slice(0, index).flat()).length),
        );
      }),
    );
  });

  it('gives nothing of a group that was not written to its end, nor of any after it', () => {
    fc.assert(
      fc.property(groups, fc.nat(), (written, cut) => {
        const file = fileOf(1, written);
        const length = cut % file.length;
        const torn = Buffer.concat([file.subarray(0, length), Buffer.alloc(file.length - length)]);
        const whole = framesOf(torn).map(({ payload }) => splitRecords(payload));
        expect(whole).toEqual(written.slice(0, whole.length));
        expect(fileOf(1, written.slice(0, whole.length)).length).toBeLessThanOrEqual(length);
      }),
    );
  });

  it('gives nothing of a group of which a byte has changed', () => {
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 3 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (records, at, change) => {
          const file = encodeFrame(1, 256, records);
          const index = at % file.length;
          file[index] = (file[index] ?? 0) ^ change;
          expect(framesOf(file)).toEqual([]);
        },
      ),
    );
  });

  it('that is used again gives nothing of what it held before', () => {
    fc.assert(
      fc.property(groups, groups, (older, newer) => {
        const before = fileOf(1, older);
        const after = fileOf(2, newer);
        const file = Buffer.concat([after, before.subarray(after.length)]);
        expect(framesOf(file).map(({ payload }) => splitRecords(payload))).toEqual(newer);
      }),
    );
  });
});

it('a frame that was handed on gives its records', () => {
  fc.assert(
    fc.property(fc.array(record), (records) => {
      expect(recordsOfFrame(encodeFrame(3, 256, records))).toEqual(records);
    }),
  );
});

it('something else than records is refused', () => {
  expect(() => splitRecords(Buffer.from([0x12, 0x01, 0x00]))).toThrow(/something else/);
});
