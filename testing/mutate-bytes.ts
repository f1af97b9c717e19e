import type { Chance } from '../scripts/photo-scenes.ts';

/**
 * One damaged copy of a file: bytes changed, lost, doubled, cut off or taken from elsewhere. The same chance gives the
 * same copy.
 */
export function mutateBytes(bytes: Buffer, chance: Chance): Buffer {
  const at = (below: number) => Math.floor(chance() * below);
  // Half of the damage goes into the first kilobytes, where the structure is.
  const place = () => at(chance() < 0.5 ? Math.min(bytes.length, 4_096) : bytes.length);
  const copy = Buffer.from(bytes);
  const start = place();
  const length = at(Math.min(2_048, bytes.length - start)) + 1;
  switch (at(7)) {
    case 0:
      return scatter(
        copy,
        () => place(),
        () => at(256),
        1 + at(64),
      );
    case 1:
      return copy.subarray(0, start);
    case 2:
      return Buffer.concat([copy.subarray(0, start), copy.subarray(start + length)]);
    case 3:
      return Buffer.concat([copy.subarray(0, start + length), copy.subarray(start)]);
    case 4:
      return copy.fill(chance() < 0.5 ? 0 : 0xff, start, start + length);
    case 5:
      bytes.copy(copy, start, place());
      return copy;
    default:
      return extremes(copy, start, at(4));
  }
}

function scatter(copy: Buffer, place: () => number, value: () => number, count: number): Buffer {
  for (let i = 0; i < count; i++) copy[place()] = value();
  return copy;
}

/** Lengths and offsets at the edges of their range: the classic way to make a reader run away. */
function extremes(copy: Buffer, start: number, which: number): Buffer {
  const values = [0, 0x7f_ff_ff_ff, 0x80_00_00_00, 0xff_ff_ff_ff];
  if (start + 4 <= copy.length) copy.writeUInt32BE(values[which] ?? 0, start);
  return copy;
}
