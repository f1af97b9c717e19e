import sharp from 'sharp';
import type { Sharp } from 'sharp';
import { describe, expect, test } from 'vitest';
import { sharedPhotos } from '../testing/shared-photos.ts';
import { drawPhoto } from '../scripts/draw-photo.ts';
import { FILTER_NAMES, filterOperation } from './filters.ts';
import { processImage } from './process-image.ts';
import type { ProcessedImage } from './process-image.ts';
import type { ImageOptions } from './image-options.ts';
import type { Variant, VariantName } from './variants.ts';

const photo = await drawPhoto(5, { width: 1600, height: 1200 });
const solid = (
  width: number,
  height: number,
  background: string | { r: number; g: number; b: number; alpha: number },
) =>
  sharp({
    create: { width, height, channels: typeof background === 'string' ? 3 : 4, background },
    limitInputPixels: false,
  });

async function processed(bytes: Uint8Array, options?: ImageOptions): Promise<ProcessedImage> {
  const result = await processImage(bytes, options);
  if (!result.ok) throw new Error(`${result.code}: ${result.reason}`);
  return result;
}

function variant(result: ProcessedImage, name: VariantName): Variant {
  const found = result.variants.find((made) => made.name === name);
  if (!found) throw new Error(`no variant ${name}`);
  return found;
}

/** Mean difference of two pictures, 0 (alike) to 255, seen at 48 × 48. */
async function difference(a: Buffer, b: Buffer): Promise<number> {
  const [left, right] = await Promise.all(
    [a, b].map((bytes) => sharp(bytes).resize(48, 48, { fit: 'fill' }).flatten().raw().toBuffer()),
  );
  return left!.reduce((sum, value, at) => sum + Math.abs(value - right![at]!), 0) / left!.length;
}

async function colourAt(bytes: Buffer, left: number, top: number): Promise<number[]> {
  return [...(await sharp(bytes).extract({ left, top, width: 1, height: 1 }).raw().toBuffer())];
}

function expectColour(actual: number[], expected: number[], tolerance = 6): void {
  for (const [at, value] of expected.entries())
    expect(Math.abs((actual[at] ?? -999) - value)).toBeLessThanOrEqual(tolerance);
}

describe('variants', () => {
  test('come in five sizes of WebP', async () => {
    const result = await processed(photo);
    expect(result.variants.map(({ name, width, height }) => [name, width, height])).toEqual([
      ['thumbnail', 150, 150],
      ['small', 320, 240],
      ['medium', 640, 480],
      ['large', 1080, 810],
      ['original', 1600, 1200],
    ]);
    for (const made of result.variants) {
      expect(await sharp(made.bytes).metadata()).toMatchObject({
        format: 'webp',
        width: made.width,
        height: made.height,
        space: 'srgb',
      });
      expect(made.contentType).toBe('image/webp');
    }
  });

  test('are never larger than the source, but for the thumbnail', async () => {
    const result = await processed(await solid(100, 80, '#456').png().toBuffer());
    expect(result.variants.map(({ width, height }) => [width, height])).toEqual([
      [150, 150],
      [100, 80],
      [100, 80],
      [100, 80],
      [100, 80],
    ]);
  });

  test.each([
    ['a landscape', 1600, 1200],
    ['a portrait', 700, 2100],
    ['a panorama', 2500, 800],
    ['a small picture', 100, 80],
  ])('of a profile picture are squares, of %s too', async (_, width, height) => {
    const squares = await processed(await sharp(photo).resize(width, height, { fit: 'fill' }).jpeg().toBuffer(), {
      sizes: ['thumbnail', 'profile_small', 'profile_medium'],
    });
    expect(squares.variants.map((made) => [made.width, made.height])).toEqual([
      [150, 150],
      [320, 320],
      [640, 640],
    ]);
    for (const { bytes, width: side } of squares.variants)
      expect(await sharp(bytes).metadata()).toMatchObject({ format: 'webp', width: side, height: side });
  });

  test('of a profile picture are as sharp as the source allows', async () => {
    // Stripes of two pixels: gone to an even grey when the square is enlarged from what is too small for it.
    const stripes = Buffer.alloc(1_280 * 640 * 3);
    for (let at = 0; at < stripes.length; at += 1) stripes[at] = Math.floor(at / 3 / 2) % 2 === 0 ? 0 : 255;
    const source = await sharp(stripes, { raw: { width: 1_280, height: 640, channels: 3 } })
      .png()
      .toBuffer();
    const { bytes } = variant(await processed(source, { sizes: ['profile_medium'] }), 'profile_medium');
    expect((await sharp(bytes).stats()).channels[0]!.stdev).toBeGreaterThan(90);
  });

  test('hold a picture of one pixel and a strip', async () => {
    expect(variant(await processed(await solid(1, 1, '#456').png().toBuffer()), 'original')).toMatchObject({
      width: 1,
      height: 1,
    });
    expect(variant(await processed(await solid(9_000, 2, '#456').png().toBuffer()), 'small')).toMatchObject({
      width: 320,
      height: 1,
    });
  });

  test('can be fewer, smaller and without a hash when there is a backlog', async () => {
    const full = await processed(photo);
    const quick = await processed(photo, { sizes: ['thumbnail', 'large'], blurhash: false, quality: 'reduced' });
    expect(quick.variants.map(({ name }) => name)).toEqual(['thumbnail', 'large']);
    expect(variant(quick, 'large').bytes.length).toBeLessThan(variant(full, 'large').bytes.length);
    expect(quick.blurhash).toBeNull();
  });

  test.each(['avif', 'jpeg'] as const)('come as %s when asked', async (format) => {
    const made = variant(await processed(photo, { sizes: ['medium'], format }), 'medium');
    const metadata = await sharp(made.bytes).metadata();
    expect(metadata).toMatchObject({ mediaType: `image/${format}`, width: 640, height: 480 });
    expect(made.contentType).toBe(`image/${format}`);
    if (format === 'jpeg') expect(metadata.isProgressive).toBe(true);
    expect(await difference(made.bytes, photo)).toBeLessThan(4);
  });

  test('look like the source', async () => {
    for (const made of (await processed(photo)).variants.slice(1))
      expect(await difference(made.bytes, photo)).toBeLessThan(4);
  });
});

describe('orientation', () => {
  const turns = Array.from({ length: 8 }, (_, index) => index + 1);

  /** The pixels as a camera held in that way stores them: turned, then mirrored. */
  async function stored(orientation: number): Promise<Sharp> {
    const [angle, mirrored] = [
      [0, false],
      [0, true],
      [180, false],
      [180, true],
      [90, true],
      [270, false],
      [270, true],
      [90, false],
    ][orientation - 1] as [number, boolean];
    const turned = sharp(await sharp(photo).rotate(angle).png().toBuffer());
    return mirrored ? turned.flop() : turned;
  }

  test.each(turns)('%i comes out upright', async (orientation) => {
    const turned = await (await stored(orientation)).withMetadata({ orientation }).jpeg({ quality: 95 }).toBuffer();
    const result = await processed(turned);
    expect(result).toMatchObject({ width: 1600, height: 1200 });
    expect(await difference(variant(result, 'medium').bytes, photo)).toBeLessThan(3);
    expect((await sharp(variant(result, 'medium').bytes).metadata()).orientation).toBeUndefined();
  });

  const shared = sharedPhotos('orientation');
  test.skipIf(shared.length === 0).each(['landscape', 'portrait'])(
    'all eight %s photos of a camera come out alike',
    async (shape) => {
      const results = await Promise.all(
        shared.filter(({ name }) => name.startsWith(shape)).map(({ bytes }) => processed(bytes)),
      );
      expect(results).toHaveLength(8);
      const [first, ...others] = results.map((result) => variant(result, 'medium').bytes);
      for (const other of others) expect(await difference(first!, other)).toBeLessThan(4);
      expect(new Set(results.map(({ width, height }) => `${String(width)}x${String(height)}`)).size).toBe(1);
    },
  );
});

describe('colours', () => {
  test('of a wide gamut become sRGB', async () => {
    const wide = await solid(64, 64, 'rgb(200,30,60)').withIccProfile('p3').png().toBuffer();
    expect((await sharp(wide).metadata()).hasProfile).toBe(true);
    const { bytes } = variant(await processed(wide), 'original');
    expect((await sharp(bytes).metadata()).hasProfile).toBe(false);
    expectColour(await colourAt(bytes, 30, 30), [200, 30, 60]);
  });

  test('of a wide gamut become sRGB in a large photo too', async () => {
    const wide = await solid(3_000, 2_100, 'rgb(200,30,60)')
      .withMetadata({ icc: 'p3', orientation: 6 })
      .jpeg()
      .toBuffer();
    const result = await processed(wide, { sizes: ['small', 'original'] });
    expect(result).toMatchObject({ width: 2_100, height: 3_000 });
    const { bytes, width, height } = variant(result, 'original');
    expect([width, height]).toEqual([1_434, 2_048]);
    expect((await sharp(bytes).metadata()).hasProfile).toBe(false);
    expectColour(await colourAt(bytes, 700, 1_000), [200, 30, 60]);
  });

  test('survive a profile that is garbage', async () => {
    const photoWithProfile = await solid(3_000, 2_100, 'rgb(200,30,60)').withIccProfile('p3').jpeg().toBuffer();
    const at = photoWithProfile.indexOf('ICC_PROFILE') + 40;
    photoWithProfile.fill(0x5a, at, at + 300);
    expectColour(await colourAt(variant(await processed(photoWithProfile), 'small').bytes, 30, 30), [200, 30, 60], 45);
  });

  test.each([
    ['CMYK', () => solid(64, 64, 'rgb(30,120,200)').toColourspace('cmyk').jpeg({ quality: 95 }), 40],
    ['16 bits', () => solid(64, 64, 'rgb(30,120,200)').toColourspace('rgb16').png(), 6],
    ['a palette', () => solid(64, 64, 'rgb(30,120,200)').png({ palette: true }), 6],
  ])('of a picture with %s are kept', async (_, make, tolerance) => {
    const { bytes } = variant(await processed(await make().toBuffer()), 'original');
    expect(await sharp(bytes).metadata()).toMatchObject({ space: 'srgb', depth: 'uchar' });
    expectColour(await colourAt(bytes, 30, 30), [30, 120, 200], tolerance);
  });

  test.each([
    ['grey', () => solid(64, 64, 'rgb(90,90,90)').toColourspace('b-w').jpeg()],
    ['grey with 16 bits', () => solid(64, 64, 'rgb(90,90,90)').toColourspace('grey16').png()],
  ])('of a %s picture stay grey', async (_, make) => {
    const result = await processed(await make().toBuffer(), { filter: 'lark' });
    const [red, green, blue] = await colourAt(variant(result, 'small').bytes, 30, 30);
    expect(Math.max(red!, green!, blue!) - Math.min(red!, green!, blue!)).toBeLessThanOrEqual(14);
    expect(result.blurhash).toMatch(/^.{6,}$/);
  });

  test('keep their transparency in WebP and get a white ground in JPEG', async () => {
    const glass = await solid(64, 64, { r: 250, g: 10, b: 10, alpha: 0.5 }).png().toBuffer();
    expectColour(await colourAt(variant(await processed(glass), 'small').bytes, 30, 30), [250, 10, 10, 128]);
    expectColour(
      await colourAt(variant(await processed(glass, { format: 'jpeg' }), 'small').bytes, 30, 30),
      [252, 132, 132],
    );
  });

  test.each(FILTER_NAMES)('are changed by %s over the whole picture, as its formula says', async (filter) => {
    const colours = [
      [200, 60, 40],
      [60, 90, 160],
    ] as const;
    const halves = await solid(200, 100, `rgb(${colours[0].join(',')})`)
      .composite([
        {
          input: await solid(100, 100, `rgb(${colours[1].join(',')})`)
            .png()
            .toBuffer(),
          left: 100,
          top: 0,
        },
      ])
      .png()
      .toBuffer();
    const { bytes } = variant(await processed(halves, { filter }), 'original');
    const { matrix, offset } = filterOperation(filter);
    for (const [at, colour] of colours.entries()) {
      const expected = matrix.map((row, channel) =>
        Math.min(255, Math.max(0, row[0] * colour[0] + row[1] * colour[1] + row[2] * colour[2] + offset[channel]!)),
      );
      expectColour(await colourAt(bytes, 50 + at * 100, 50), expected, 9);
    }
  });
});

describe('metadata', () => {
  test('is read, and stripped from every variant', async () => {
    const taken = await sharp(photo)
      .withExif({
        IFD0: { Make: 'Acme', Model: 'One' },
        IFD3: {
          GPSLatitudeRef: 'N',
          GPSLatitude: '52/1 30/1 0/1',
          GPSLongitudeRef: 'E',
          GPSLongitude: '13/1 24/1 0/1',
        },
      })
      .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/">secret place</x:xmpmeta>')
      .jpeg()
      .toBuffer();
    const result = await processed(taken);
    expect(result.metadata).toMatchObject({
      camera: { make: 'Acme', model: 'One' },
      location: { latitude: 52.5, longitude: 13.4 },
    });
    for (const { bytes } of [...result.variants, ...(await processed(taken, { format: 'jpeg' })).variants]) {
      const { exif, xmp, icc, iptc } = await sharp(bytes).metadata();
      expect({ exif, xmp, icc, iptc }).toEqual({ exif: undefined, xmp: undefined, icc: undefined, iptc: undefined });
      expect(bytes.includes('Acme') || bytes.includes('secret')).toBe(false);
    }
  });
});

describe('animations', () => {
  test('give their first frame', async () => {
    const frames = await Promise.all(['#f00', '#00f'].map((colour) => solid(60, 40, colour).png().toBuffer()));
    const animation = await sharp(frames, { join: { animated: true } })
      .webp()
      .toBuffer();
    const result = await processed(animation);
    expect(result).toMatchObject({ animated: true, width: 60, height: 40 });
    expectColour(await colourAt(variant(result, 'original').bytes, 30, 20), [255, 0, 0], 10);
    expect((await sharp(variant(result, 'original').bytes).metadata()).pages ?? 1).toBe(1);
  });
});

describe('hostile files', () => {
  test('with too many pixels are refused before they are decoded', async () => {
    const bomb = await solid(20_000, 10_000, '#fff').png().toBuffer();
    expect(await processImage(bomb)).toMatchObject({ ok: false, code: 'media_too_many_pixels' });
  });

  test('with more bytes than allowed are refused', async () => {
    expect(await processImage(Buffer.concat([photo, Buffer.alloc(31 * 1024 * 1024)]))).toMatchObject({
      ok: false,
      code: 'media_too_large',
    });
  });

  test('cut off anywhere are refused', async () => {
    for (const part of [0.999, 0.9, 0.5, 0.1, 0.01]) {
      expect(await processImage(photo.subarray(0, Math.floor(photo.length * part)))).toMatchObject({
        ok: false,
        code: 'media_corrupt',
      });
    }
  });

  test('of nothing are refused', async () => {
    expect(await processImage(Buffer.alloc(0))).toMatchObject({ ok: false, code: 'media_empty' });
  });

  test('with a header that lies about the size do no harm', async () => {
    const png = Buffer.from(await solid(10, 10, '#fff').png().toBuffer());
    png.writeUInt32BE(9_000, 16);
    expect(await processImage(png)).toMatchObject({ ok: false, code: 'media_corrupt' });
  });

  test('of HEIC are decoded, or refused for exactly that reason', async () => {
    const [heic] = sharedPhotos('camera').filter(({ name }) => name.endsWith('.HEIC'));
    if (!heic) return;
    const result = await processImage(heic.bytes);
    expect(result.ok ? result.type : result.code).toMatch(/^(image\/heic|media_decoder_unavailable)$/);
  });

  const broken = [...sharedPhotos('broken'), ...sharedPhotos('camera')];
  test.skipIf(broken.length === 0).each(broken)('such as $name are handled or refused', async ({ bytes }) => {
    const result = await processImage(bytes);
    if (result.ok) expect(result.variants).toHaveLength(5);
    else expect(result.code).toMatch(/^media_(corrupt|decoder_unavailable)$/);
  });
});
