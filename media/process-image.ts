import sharp from 'sharp';
import type { Metadata, Sharp } from 'sharp';
import { filterOperation } from './filters.ts';
import type { FilterName } from './filters.ts';
import { MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS } from './limits.ts';
import { blurhashOf } from './photo-blurhash.ts';
import type { Pixels } from './photo-blurhash.ts';
import { readPhotoMetadata } from './photo-metadata.ts';
import type { PhotoMetadata } from './photo-metadata.ts';
import { refuse } from './refusal.ts';
import type { MediaRefusal } from './refusal.ts';
import { sniff } from './sniff.ts';
import type { ImageType } from './sniff.ts';
import { VARIANTS, VARIANT_NAMES, VARIANT_TYPES } from './variants.ts';
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

/** What a header tells before anything is decoded. `width` and `height` are those of the upright picture. */
export interface ProbedImage {
  readonly ok: true;
  readonly type: ImageType;
  readonly width: number;
  readonly height: number;
  readonly animated: boolean;
  readonly metadata: PhotoMetadata;
}

export interface ProcessedImage extends Omit<ProbedImage, 'ok'> {
  readonly ok: true;
  readonly variants: readonly Variant[];
  /** null when it was not asked for. */
  readonly blurhash: string | null;
}

/**
 * Makes every variant of a picture from one decode: upright, in sRGB with 8 bits, the first frame of an animation,
 * free of all metadata. A picture that is not taken comes back as a refusal; a rejection means that this server failed.
 */
export async function processImage(bytes: Uint8Array, options: ImageOptions = {}): Promise<ProcessedImage | MediaRefusal> {
  const probed = await probeImage(bytes, options.declaredType);
  if (!probed.ok) return probed;
  const pixels = await decode(bytes, options);
  if ('ok' in pixels) return pixels;
  const variants = await encodeVariants(pixels, options);
  return { ...probed, variants, blurhash: (options.blurhash ?? true) ? await blurhashOf(pixels) : null };
}

/** Reads type, size and metadata of a picture, refusing whatever must not be decoded. */
export async function probeImage(bytes: Uint8Array, declaredType?: string): Promise<ProbedImage | MediaRefusal> {
  if (bytes.length > MAX_IMAGE_BYTES) return refuse('media_too_large');
  const found = await sniff(bytes, declaredType);
  if (!found.ok) return found;
  if (found.kind !== 'image') return refuse('media_unsupported_type');
  const header = await sharp(bytes, { limitInputPixels: false }).metadata().catch(() => null);
  const refusal = judgeHeader(header, found.type);
  if (refusal || !header) return refusal ?? refuse('media_corrupt');
  return { ok: true, type: found.type, ...header.autoOrient, animated: (header.pages ?? 1) > 1, metadata: await readPhotoMetadata(header.exif) };
}

function judgeHeader(header: Metadata | null, type: ImageType): MediaRefusal | null {
  if (type === 'image/heic' && !canDecodeHeic()) return refuse('media_decoder_unavailable');
  if (header?.mediaType !== type) return refuse('media_corrupt');
  return header.width * header.height > MAX_IMAGE_PIXELS ? refuse('media_too_many_pixels') : null;
}

/** Whether this build of the decoder takes HEIC: the prebuilt one does not, for the patents on HEVC. */
export function canDecodeHeic(): boolean {
  return sharp.format.heif.input.fileSuffix?.includes('.heic') ?? false;
}

async function decode(bytes: Uint8Array, options: ImageOptions): Promise<Pixels | MediaRefusal> {
  const edge = Math.max(SMALLEST_DECODE, ...(options.sizes ?? VARIANT_NAMES).map((name) => VARIANTS[name].edge));
  const pipeline = sharp(bytes, { failOn: 'error', limitInputPixels: MAX_IMAGE_PIXELS })
    .autoOrient()
    .resize({ width: edge, height: edge, fit: 'inside', withoutEnlargement: true, kernel: KERNEL })
    .toColourspace('srgb');
  if (options.filter) {
    const { matrix, offset } = filterOperation(options.filter);
    pipeline.recomb([[...matrix[0]], [...matrix[1]], [...matrix[2]]]).linear([1, 1, 1], [...offset]);
  }
  return pixelsOf(pipeline).catch(() => refuse('media_corrupt'));
}

/** A thumbnail alone still needs room to cover its square with the short side of a panorama. */
const SMALLEST_DECODE = 640;

/** As sharp to the eye as the default for photos that become smaller, with a third fewer pixels to weigh. */
const KERNEL = 'cubic';

async function pixelsOf(pipeline: Sharp): Promise<Pixels> {
  const { data, info } = await pipeline.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels !== 3 && channels !== 4) throw new Error(`The decoder gave ${String(channels)} channels`);
  return { data, width, height, channels };
}

/**
 * One after the other, largest first: a worker is one core, and the pool decides how many there are.
 * What is smaller than `large` is made from its pixels, which are a quarter as many.
 */
async function encodeVariants(pixels: Pixels, options: ImageOptions): Promise<Variant[]> {
  const names = options.sizes ?? VARIANT_NAMES;
  const made = new Map<Pixels, Variant>();
  const variants: Variant[] = [];
  let source = pixels;
  for (const name of names.toSorted((a, b) => VARIANTS[b].edge - VARIANTS[a].edge)) {
    const sized = await resized(covers(source, name) ? source : pixels, name);
    const variant = { ...(made.get(sized) ?? (await encodeVariant(sized, name, options))), name };
    made.set(sized, variant);
    variants.push(variant);
    if (name === 'large') source = sized;
  }
  return variants.toSorted((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
}

/** Whether a size can be made from these pixels without enlarging what the full ones would not. */
function covers(pixels: Pixels, name: VariantName): boolean {
  return VARIANTS[name].fit === 'inside' || Math.min(pixels.width, pixels.height) >= VARIANTS[name].edge;
}

/** The same pixels when there is nothing to do, so that sizes that are alike are encoded once. */
async function resized(pixels: Pixels, name: VariantName): Promise<Pixels> {
  const { edge, fit } = VARIANTS[name];
  const { data, width, height, channels } = pixels;
  if (fit === 'inside' && width <= edge && height <= edge) return pixels;
  return pixelsOf(sharp(data, { raw: { width, height, channels } }).resize({ width: edge, height: edge, fit, withoutEnlargement: fit === 'inside', kernel: KERNEL }));
}

async function encodeVariant({ data, width, height, channels }: Pixels, name: VariantName, { format = 'webp', quality = 'normal' }: ImageOptions): Promise<Variant> {
  const bytes = await encoded(sharp(data, { raw: { width, height, channels } }), format, quality === 'reduced' ? 15 : 0).toBuffer();
  return { name, contentType: VARIANT_TYPES[format], width, height, bytes };
}

/** WebP with the least effort: more takes half as long again for a tenth of the bytes, and AVIF is there for those. */
function encoded(picture: Sharp, format: VariantFormat, less: number): Sharp {
  switch (format) {
    case 'webp':
      return picture.webp({ quality: 80 - less, effort: 0 });
    case 'avif':
      return picture.avif({ quality: 55 - less, effort: less > 0 ? 0 : 2 });
    case 'jpeg':
      return picture.flatten({ background: '#fff' }).jpeg({ quality: 82 - less, progressive: true });
    default:
      return format satisfies never;
  }
}
