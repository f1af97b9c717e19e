import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { ADOBE_RGB, GREY_18, INKS, jpegWithProfile, P3, pngWithProfile, SRGB } from '../testing/icc-profiles.ts';
import { filterOperation } from './filters.ts';
import { processImage } from './process-image.ts';
import type { ImageOptions } from './image-options.ts';

type Colour = readonly [number, number, number];

/**
 * Stored numbers (of 255) and what they are in sRGB. The right side is what lcms gives, cut off at 0 and 255:
 * `transicc -n -t 0 -i profile.icc -o '*sRGB'` of Little CMS 2.14, with the profiles of testing/icc-profiles.ts.
 */
const RGB: readonly (readonly [string, Buffer, Colour, Colour])[] = [
  ['sRGB', SRGB, [200, 60, 30], [200, 60, 30]],
  ['sRGB', SRGB, [30, 120, 200], [30, 120, 200]],
  ['sRGB', SRGB, [20, 20, 20], [20, 20, 20]],
  ['sRGB', SRGB, [230, 200, 140], [230, 200, 140]],
  ['Display P3', P3, [200, 60, 30], [217, 42, 0]],
  ['Display P3', P3, [30, 120, 200], [0, 122, 206]],
  ['Display P3', P3, [20, 20, 20], [20, 20, 20]],
  ['Display P3', P3, [230, 200, 140], [236, 199, 131]],
  ['Adobe RGB', ADOBE_RGB, [200, 60, 30], [232, 57, 21]],
  ['Adobe RGB', ADOBE_RGB, [30, 120, 200], [0, 121, 204]],
  ['Adobe RGB', ADOBE_RGB, [20, 20, 20], [12, 12, 12]],
  ['Adobe RGB', ADOBE_RGB, [230, 200, 140], [241, 201, 138]],
];
const GREY: readonly (readonly [number, number])[] = [
  [20, 26],
  [90, 109],
  [128, 146],
  [220, 227],
];
/**
 * The four colours of four-inks.jpg, stored as C, M, Y, K of 255: (0, 0, 0, 0), (127, 76, 26, 13), (26, 178, 153, 51),
 * (178, 51, 0, 26).
 */
const MIXED: readonly Colour[] = [
  [255, 255, 255],
  [149, 154, 184],
  [199, 83, 34],
  [78, 152, 207],
];

async function colourOf(
  bytes: Uint8Array,
  { left = 8, ...options }: ImageOptions & { left?: number } = {},
): Promise<number[]> {
  const result = await processImage(bytes, { format: 'jpeg', ...options });
  if (!result.ok) throw new Error(`${result.code}: ${result.reason}`);
  const [first] = result.variants.slice(-1);
  return [...(await sharp(first!.bytes).extract({ left, top: 8, width: 1, height: 1 }).raw().toBuffer())];
}

/** 16 × 16 pixels of one colour, of 8 or 16 bits. */
function png(colour: readonly number[], depth: 8 | 16): Promise<Buffer> {
  const numbers = Array.from({ length: 256 }, () => colour).flat();
  const raw = {
    width: 16,
    height: 16,
    channels: colour.length === 1 ? (1 as const) : colour.length === 4 ? (4 as const) : (3 as const),
  };
  if (depth === 8)
    return sharp(Buffer.from(numbers), { raw })
      .toColourspace(colour.length === 1 ? 'b-w' : 'srgb')
      .png()
      .toBuffer();
  return sharp(
    Uint16Array.from(numbers, (value) => value * 257),
    { raw },
  )
    .toColourspace(colour.length === 1 ? 'grey16' : 'rgb16')
    .png()
    .toBuffer();
}

function expectNear(actual: readonly number[], expected: readonly number[]): void {
  const off = expected.map((value, at) => Math.abs((actual[at] ?? -999) - value));
  expect(Math.max(...off), `${actual.join(', ')} instead of ${expected.join(', ')}`).toBeLessThanOrEqual(2);
}

describe('the colours of a picture are what its profile says', () => {
  describe.each([8, 16] as const)('in PNG of %i bits', (depth) => {
    test.each(RGB)('%s', async (_, profile, stored, expected) => {
      const bytes = pngWithProfile(await png(stored, depth), profile);
      expect(await sharp(bytes).metadata()).toMatchObject({
        hasProfile: true,
        depth: depth === 8 ? 'uchar' : 'ushort',
      });
      expectNear(await colourOf(bytes), expected);
    });

    test.each(GREY)('grey %i', async (stored, expected) => {
      const bytes = pngWithProfile(await png([stored], depth), GREY_18);
      expect(await sharp(bytes).metadata()).toMatchObject({
        hasProfile: true,
        channels: 1,
        depth: depth === 8 ? 'uchar' : 'ushort',
      });
      expectNear(await colourOf(bytes), [expected, expected, expected]);
    });

    test('none at all is sRGB', async () => {
      expectNear(await colourOf(await png([200, 60, 30], depth)), [200, 60, 30]);
      expectNear(await colourOf(await png([90], depth)), [90, 90, 90]);
    });

    test('with transparency', async () => {
      const glass = pngWithProfile(await png([230, 200, 140, 128], depth), ADOBE_RGB);
      expectNear(await colourOf(glass, { format: 'webp' }), [241, 201, 138, 128]);
    });

    test('under a filter', async () => {
      const { matrix, offset } = filterOperation('lark');
      const bytes = pngWithProfile(await png([60, 90, 160], depth), SRGB);
      expectNear(
        await colourOf(bytes, { filter: 'lark' }),
        matrix.map((row, channel) => row[0] * 60 + row[1] * 90 + row[2] * 160 + offset[channel]!),
      );
      expectNear(
        await colourOf(await png([60, 90, 160], depth), { filter: 'lark' }),
        matrix.map((row, channel) => row[0] * 60 + row[1] * 90 + row[2] * 160 + offset[channel]!),
      );
    });
  });

  test.each(RGB)('in JPEG: %s', async (_, profile, [r, g, b], expected) => {
    const plain = await sharp({ create: { width: 16, height: 16, channels: 3, background: { r, g, b } } })
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .toBuffer();
    expectNear(await colourOf(jpegWithProfile(plain, profile)), expected);
  });

  test.each(MIXED.map((expected, block) => [block, expected] as const))(
    'in JPEG of four inks: mixture %i',
    async (block, expected) => {
      const inks = jpegWithProfile(await readFile(new URL('../testing/four-inks.jpg', import.meta.url)), INKS);
      expect(await sharp(inks).metadata()).toMatchObject({ space: 'cmyk', hasProfile: true });
      expectNear(await colourOf(inks, { left: block * 16 + 8 }), expected);
    },
  );

  test('in a large photo', async () => {
    const plain = await sharp({
      create: { width: 3_000, height: 2_100, channels: 3, background: { r: 230, g: 200, b: 140 } },
    })
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .toBuffer();
    expectNear(await colourOf(jpegWithProfile(plain, ADOBE_RGB), { sizes: ['small'] }), [241, 201, 138]);
  });
});
