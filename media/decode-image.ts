import sharp from 'sharp';
import type { Sharp, SharpOptions } from 'sharp';
import { MAX_IMAGE_PIXELS } from './limits.ts';
import { KERNEL, pixelsOf } from './pixels.ts';
import type { Pixels } from './pixels.ts';
import type { ColourPath } from './probe-image.ts';

/** Decodes a picture upright, inside a square of `edge` and in sRGB. Rejects when the decoder cannot. */
export async function decodeImage(bytes: Uint8Array, path: ColourPath, edge: number): Promise<Pixels> {
  switch (path) {
    case 'straight':
      return inSrgb(small(bytes, edge));
    case 'shrink_first':
      return viaCopy(bytes, edge, 'srgb');
    case 'grey_16':
      return viaCopy(bytes, edge, 'b-w');
    case 'colour_16':
      return inEightBits(small(bytes, edge));
    default:
      return path satisfies never;
  }
}

function small(bytes: Uint8Array, edge: number, options: SharpOptions = {}): Sharp {
  return sharp(bytes, { failOn: 'error', limitInputPixels: MAX_IMAGE_PIXELS, ...options })
    .autoOrient()
    .resize({ width: edge, height: edge, fit: 'inside', withoutEnlargement: true, kernel: KERNEL });
}

function inSrgb(pipeline: Sharp): Promise<Pixels> {
  return pixelsOf(pipeline.toColourspace('srgb'));
}

/**
 * By way of the picture made smaller but still in the colours of its profile, with 8 bits and uncompressed. The decoder
 * converts every pixel that it reads; a phone's photo has four times as many as the largest size needs, and nearly all
 * of them carry a profile. Grey of 16 bits goes this way because the decoder leaves its profile unused.
 */
async function viaCopy(bytes: Uint8Array, edge: number, space: 'srgb' | 'b-w'): Promise<Pixels> {
  const copy = await small(bytes, edge, { ignoreIcc: true })
    .toColourspace(space)
    .keepIccProfile()
    .png({ compressionLevel: 0 })
    .toBuffer()
    .catch(() => null);
  // The straight way decides whether the picture or only its profile is broken.
  return inSrgb(copy ? sharp(copy) : small(bytes, edge));
}

/**
 * The decoder converts 16 bits to Display P3 and would call the outcome sRGB; so they are converted once more before
 * they become 8 bits.
 */
async function inEightBits(pipeline: Sharp): Promise<Pixels> {
  const { data, info } = await pipeline
    .toColourspace('rgb16')
    .withIccProfile('srgb')
    .raw({ depth: 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels !== 3 && channels !== 4) throw new Error(`The decoder gave ${String(channels)} channels`);
  const deep = new Uint16Array(data.buffer, data.byteOffset, data.length / 2);
  // 65,535 is 255 times 257.
  return { data: Buffer.from(deep.map((value) => Math.round(value / 257))), width, height, channels };
}
