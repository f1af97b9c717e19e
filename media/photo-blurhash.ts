import { encode } from 'blurhash';
import sharp from 'sharp';
import type { Pixels } from './pixels.ts';

/** Longest edge that the hash is made from: it holds a dozen waves, so more pixels only cost time. */
const EDGE = 32;

/**
 * The blurhash of a picture, transparent parts as white; four components along the longer side, three along the other.
 */
export async function blurhashOf({ data, width, height, channels }: Pixels): Promise<string> {
  const small = await sharp(data, { raw: { width, height, channels } })
    .resize({ width: EDGE, height: EDGE, fit: 'inside', withoutEnlargement: true, kernel: 'linear' })
    .flatten({ background: '#fff' })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const [x, y] = width === height ? [4, 4] : width > height ? [4, 3] : [3, 4];
  return encode(new Uint8ClampedArray(small.data), small.info.width, small.info.height, x, y);
}
