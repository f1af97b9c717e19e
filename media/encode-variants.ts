import sharp from 'sharp';
import type { Sharp } from 'sharp';
import { KERNEL, pixelsOf } from './pixels.ts';
import type { Pixels } from './pixels.ts';
import type { ImageOptions } from './image-options.ts';
import { VARIANTS, VARIANT_NAMES, VARIANT_TYPES } from './variants.ts';
import type { Variant, VariantFormat, VariantName } from './variants.ts';

/**
 * One after the other, largest first: a worker is one core, and the pool decides how many there are.
 * What is smaller than `large` is made from its pixels, which are a quarter as many.
 */
export async function encodeVariants(pixels: Pixels, options: ImageOptions): Promise<Variant[]> {
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
  return pixelsOf(
    sharp(data, { raw: { width, height, channels } }).resize({
      width: edge,
      height: edge,
      fit,
      withoutEnlargement: fit === 'inside',
      kernel: KERNEL,
    }),
  );
}

async function encodeVariant(
  { data, width, height, channels }: Pixels,
  name: VariantName,
  { format = 'webp', quality = 'normal' }: ImageOptions,
): Promise<Variant> {
  const bytes = await encoded(
    sharp(data, { raw: { width, height, channels } }),
    format,
    quality === 'reduced' ? 15 : 0,
  ).toBuffer();
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
