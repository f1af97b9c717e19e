/** The sizes that every photo is served in, and two more that a profile picture has: squares, like its thumbnail. */
export type VariantName = 'thumbnail' | 'small' | 'medium' | 'large' | 'original' | 'profile_small' | 'profile_medium';

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
  profile_small: { edge: 320, fit: 'cover' },
  profile_medium: { edge: 640, fit: 'cover' },
};

/** The sizes of every photo. */
export const VARIANT_NAMES: readonly VariantName[] = ['thumbnail', 'small', 'medium', 'large', 'original'];

/** The sizes of a profile picture beside those of every photo. */
export const PROFILE_NAMES = ['profile_small', 'profile_medium'] as const;

export const ALL_NAMES: readonly VariantName[] = [...VARIANT_NAMES, ...PROFILE_NAMES];

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
