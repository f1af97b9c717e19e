import sharp from 'sharp';
import type { Sharp, SharpOptions } from 'sharp';
import { encodeVariants } from './encode-variants.ts';
import { filterOperation } from './filters.ts';
import type { FilterName } from './filters.ts';
import { MAX_IMAGE_PIXELS } from './limits.ts';
import { blurhashOf } from './photo-blurhash.ts';
import { KERNEL, pixelsOf } from './pixels.ts';
import type { Pixels } from './pixels.ts';
import { probeImage } from './probe-image.ts';
import type { ProbedImage } from './probe-image.ts';
import { refuse } from './refusal.ts';
import type { MediaRefusal } from './refusal.ts';
import { VARIANTS, VARIANT_NAMES } from './variants.ts';
import type { Variant, VariantFormat, VariantName } from './variants.ts';

export interface ImageOptions {
  /** What the uploader said the file is; other content is refused. */
  readonly declaredType?: string;
  readonly filter?: FilterName;
  /** Which sizes to make. Default: all five. */
  readonly sizes?: readonly VariantName[];
  /** Default: WebP. */
  readonly format?: VariantFormat;
  /** `reduced` trades quality for time when the backlog is long. Default: `normal`. */
  readonly quality?: 'normal' | 'reduced';
  /** Default: true. */
  readonly blurhash?: boolean;
}

export interface ProcessedImage extends Omit<ProbedImage, 'convertsLate'> {
  readonly variants: readonly Variant[];
  /** null when it was not asked for. */
  readonly blurhash: string | null;
}

/**
 * Makes every variant of a picture from one decode: upright, in sRGB with 8 bits, the first frame of an animation,
 * free of all metadata. A picture that is not taken comes back as a refusal; a rejection means that this server failed.
 */
export async function processImage(
  bytes: Uint8Array,
  options: ImageOptions = {},
): Promise<ProcessedImage | MediaRefusal> {
  const probed = await probeImage(bytes, options.declaredType);
  if (!probed.ok) return probed;
  const { convertsLate, ...facts } = probed;
  const pixels = await decode(bytes, { convertsLate }, options);
  if ('ok' in pixels) return pixels;
  const variants = await encodeVariants(pixels, options);
  return { ...facts, variants, blurhash: (options.blurhash ?? true) ? await blurhashOf(pixels) : null };
}

/**
 * A square is covered by the short side of the picture, so it needs room for the long side of a panorama; no more than
 * `original` has.
 */
const LONG_SIDE_OF_A_SQUARE = 4;

function decodedEdge(name: VariantName): number {
  const { edge, fit } = VARIANTS[name];
  return fit === 'cover' ? Math.min(edge * LONG_SIDE_OF_A_SQUARE, VARIANTS.original.edge) : edge;
}

const SMALLEST_DECODE = 640;

async function decode(
  bytes: Uint8Array,
  { convertsLate }: Pick<ProbedImage, 'convertsLate'>,
  options: ImageOptions,
): Promise<Pixels | MediaRefusal> {
  const edge = Math.max(SMALLEST_DECODE, ...(options.sizes ?? VARIANT_NAMES).map(decodedEdge));
  const upright = convertsLate ? await shrunkInItsOwnColours(bytes, edge) : null;
  const pipeline = (upright ? sharp(upright) : small(bytes, edge)).toColourspace('srgb');
  if (options.filter) {
    const { matrix, offset } = filterOperation(options.filter);
    pipeline.recomb([[...matrix[0]], [...matrix[1]], [...matrix[2]]]).linear([1, 1, 1], [...offset]);
  }
  return pixelsOf(pipeline).catch(() => refuse('media_corrupt'));
}

function small(bytes: Uint8Array, edge: number, options: SharpOptions = {}): Sharp {
  return sharp(bytes, { failOn: 'error', limitInputPixels: MAX_IMAGE_PIXELS, ...options })
    .autoOrient()
    .resize({ width: edge, height: edge, fit: 'inside', withoutEnlargement: true, kernel: KERNEL });
}

/**
 * The picture made smaller but still in the colours of its profile, uncompressed. The decoder converts every pixel that
 * it reads; a phone's photo has four times as many as the largest size needs, and nearly all of them carry a profile.
 * Null when that fails: the straight way then decides whether the picture or only its profile is broken.
 */
async function shrunkInItsOwnColours(bytes: Uint8Array, edge: number): Promise<Buffer | null> {
  return small(bytes, edge, { ignoreIcc: true })
    .keepIccProfile()
    .png({ compressionLevel: 0 })
    .toBuffer()
    .catch(() => null);
}
