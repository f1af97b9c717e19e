import { crc32, deflateSync } from 'node:zlib';

/** Colour profiles by their published numbers, as cameras and editors embed them, and ways to put one into a file. */

const D50 = [0.9642, 1, 0.8249] as const;
type Triple = readonly [number, number, number];

/** The curve of sRGB (IEC 61966-2-1), which Display P3 has too. */
const SRGB_CURVE = Buffer.concat([
  Buffer.from('para\0\0\0\0\0\x03\0\0', 'latin1'),
  fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
]);

/** sRGB: the columns of its published profile. */
export const SRGB = rgbProfile(
  [
    [0.43607, 0.22249, 0.01392],
    [0.38515, 0.71687, 0.09708],
    [0.14307, 0.06061, 0.7141],
  ],
  SRGB_CURVE,
);
/** Display P3, which phones write. */
export const P3 = rgbProfile(
  [
    [0.51512, 0.2412, -0.00105],
    [0.29198, 0.69225, 0.04189],
    [0.1571, 0.06657, 0.78407],
  ],
  SRGB_CURVE,
);
/** Adobe RGB (1998). */
export const ADOBE_RGB = rgbProfile(
  [
    [0.60974, 0.31111, 0.01947],
    [0.20528, 0.62567, 0.06087],
    [0.14919, 0.06322, 0.74457],
  ],
  gamma(563 / 256),
);
/** Grey with the exponent of old Macintosh screens, far from sRGB's curve. */
export const GREY_18 = profile('GRAY', 'mntr', 'XYZ ', [
  ['wtpt', xyz(D50)],
  ['kTRC', gamma(1.8)],
]);
/** Four inks that mix evenly between the corners of their cube: a table of two steps a side. */
export const INKS = profile('CMYK', 'prtr', 'Lab ', [
  ['wtpt', xyz(D50)],
  ['A2B0', inkTable()],
]);

/** A PNG with the profile in it; its pixels stay as they are. */
export function pngWithProfile(png: Buffer, icc: Buffer): Buffer {
  const afterHeader = 8 + 25;
  const chunk = Buffer.concat([Buffer.from('iCCPprofile\0\0', 'latin1'), deflateSync(icc)]);
  return Buffer.concat([
    png.subarray(0, afterHeader),
    uint32(chunk.length - 4),
    chunk,
    uint32(crc32(chunk)),
    png.subarray(afterHeader),
  ]);
}

/** A JPEG with the profile in it; its pixels stay as they are. */
export function jpegWithProfile(jpeg: Buffer, icc: Buffer): Buffer {
  const segment = Buffer.concat([Buffer.from('ICC_PROFILE\0\x01\x01', 'latin1'), icc]);
  const start = Buffer.from([0xff, 0xe2, (segment.length + 2) >> 8, (segment.length + 2) & 255]);
  return Buffer.concat([jpeg.subarray(0, 2), start, segment, jpeg.subarray(2)]);
}

function rgbProfile([red, green, blue]: readonly [Triple, Triple, Triple], curve: Buffer): Buffer {
  return profile('RGB ', 'mntr', 'XYZ ', [
    ['wtpt', xyz(D50)],
    ['rXYZ', xyz(red)],
    ['gXYZ', xyz(green)],
    ['bXYZ', xyz(blue)],
    ['rTRC', curve],
    ['gTRC', curve],
    ['bTRC', curve],
  ]);
}

/** ICC.1:2010 (4.3), section 7: header, tag table, tags. */
function profile(
  space: string,
  kind: string,
  connection: string,
  tags: readonly (readonly [string, Buffer])[],
): Buffer {
  const all = [['desc', words('test')], ['cprt', words('none')], ...tags] as const;
  const table = [uint32(all.length)];
  let at = 128 + 4 + all.length * 12;
  for (const [name, body] of all) {
    table.push(Buffer.from(name, 'latin1'), uint32(at), uint32(body.length));
    at += body.length;
  }
  const header = Buffer.alloc(128);
  header.writeUInt32BE(at, 0);
  header.write(`\x04\x20\0\0${kind}${space}${connection}\x07\xe8\0\x01\0\x01\0\0\0\0\0\0acsp`, 8, 'latin1');
  fixed(...D50).copy(header, 68);
  return Buffer.concat([header, ...table, ...all.map(([, body]) => body)]);
}

/**
 * Lab of the paper under each mixture of full inks: cyan is the slowest digit, black the fastest. Stored as 16-bit Lab
 * of version 2.
 */
function inkTable(): Buffer {
  const paper = [100, 0, 0] as const;
  const inks = [
    [-40, -37, -50],
    [-47, 74, -3],
    [-6, -5, 93],
    [-79, 0, 0],
  ] as const;
  const corners = Array.from({ length: 16 }, (_, corner) =>
    inks.reduce<readonly number[]>(
      (lab, ink, index) => ((corner >> (3 - index)) & 1 ? lab.map((value, axis) => value + (ink[axis] ?? 0)) : lab),
      paper,
    ),
  );
  const encoded = corners.flatMap(([light = 0, a = 0, b = 0]) => [
    Math.max(0, light) * 652.8,
    (Math.max(-127, Math.min(127, a)) + 128) * 256,
    (Math.max(-127, Math.min(127, b)) + 128) * 256,
  ]);
  const straight = [0, 65_535];
  const numbers = [
    2,
    2,
    ...Array.from({ length: 4 }, () => straight).flat(),
    ...encoded,
    ...Array.from({ length: 3 }, () => straight).flat(),
  ];
  return Buffer.concat([
    Buffer.from('mft2\0\0\0\0\x04\x03\x02\0', 'latin1'),
    fixed(1, 0, 0, 0, 1, 0, 0, 0, 1),
    ...numbers.map((value) => uint16(Math.round(value))),
  ]);
}

function gamma(exponent: number): Buffer {
  return Buffer.concat([
    Buffer.from('curv\0\0\0\0', 'latin1'),
    uint32(1),
    uint16(Math.round(exponent * 256)),
    uint16(0),
  ]);
}

function xyz(values: Triple): Buffer {
  return Buffer.concat([Buffer.from('XYZ \0\0\0\0', 'latin1'), fixed(...values)]);
}

function words(text: string): Buffer {
  const utf16 = Buffer.from(text, 'utf16le').swap16();
  return Buffer.concat([
    Buffer.from('mluc\0\0\0\0', 'latin1'),
    uint32(1),
    uint32(12),
    Buffer.from('enUS', 'latin1'),
    uint32(utf16.length),
    uint32(28),
    utf16,
  ]);
}

function fixed(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) bytes.writeInt32BE(Math.round(value * 65_536), at * 4);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
