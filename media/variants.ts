/** The sizes that every photo is served in. */
export type VariantName = 'thumbnail' | 'small' | 'medium' | 'large' | 'original';

/** `cover` fills the square and crops; `inside` keeps the whole picture and never enlarges it. */
export interface VariantSpec {
  readonly edge: number;
  readonly fit: 'cover' | 'inside';
}

export const VARIANTS: Readonly<Record<VariantName, VariantSpec>> = {
  thumbnail: { edge: 150, fit: 'cover' },
  small: { edge: 320, fit: 'inside' },
  medium: { edge: 640, fit: 'inside' },
  large: { edge: 1080, fit: 'inside' },
  original: { edge: 2048, fit: 'inside' },
};

export const VARIANT_NAMES: readonly VariantName[] = ['thumbnail', 'small', 'medium', 'large', 'original'];

/** The formats that a variant can be served in. */
export type VariantFormat = 'webp' | 'avif' | 'jpeg';

export const VARIANT_TYPES: Readonly<Record<VariantFormat, 'image/webp' | 'image/avif' | 'image/jpeg'>> = {
  webp: 'image/webp',
  avif: 'image/avif',
  jpeg: 'image/jpeg',
};

/** One ready file. */
export interface Variant {
  readonly name: VariantName;
  readonly contentType: 'image/webp' | 'image/avif' | 'image/jpeg';
  readonly width: number;
  readonly height: number;
  readonly bytes: Buffer;
}
