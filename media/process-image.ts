import sharp from 'sharp';
import { decodeImage } from './decode-image.ts';
import { encodeVariants } from './encode-variants.ts';
import { filterOperation } from './filters.ts';
import type { ImageOptions } from './image-options.ts';
import type { FilterName } from './filters.ts';
import { blurhashOf } from './photo-blurhash.ts';
import { pixelsOf } from './pixels.ts';
import type { Pixels } from './pixels.ts';
import { probeImage } from './probe-image.ts';
import type { ColourPath, ProbedImage } from './probe-image.ts';
import { refuse } from './refusal.ts';
import type { MediaRefusal } from './refusal.ts';
import { VARIANTS, VARIANT_NAMES } from './variants.ts';
import type { Variant, VariantName } from './variants.ts';

export interface ProcessedImage extends Omit<ProbedImage, 'colourPath'> {
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
  const { colourPath, ...facts } = probed;
  const pixels = await decode(bytes, colourPath, options);
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
  path: ColourPath,
  { sizes, filter }: ImageOptions,
): Promise<Pixels | MediaRefusal> {
  const edge = Math.max(SMALLEST_DECODE, ...(sizes ?? VARIANT_NAMES).map(decodedEdge));
  const pixels = await decodeImage(bytes, path, edge).catch(() => refuse('media_corrupt'));
  return filter === undefined || 'ok' in pixels ? pixels : filtered(pixels, filter);
}

/** Filters work on finished sRGB of 8 bits, whatever the picture was stored in. */
function filtered({ data, width, height, channels }: Pixels, filter: FilterName): Promise<Pixels> {
  const { matrix, offset } = filterOperation(filter);
  return pixelsOf(
    sharp(data, { raw: { width, height, channels } })
      .recomb([[...matrix[0]], [...matrix[1]], [...matrix[2]]])
      .linear([1, 1, 1], [...offset]),
  );
}
