import sharp from 'sharp';
import type { Metadata } from 'sharp';
import { MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS } from './limits.ts';
import { readPhotoMetadata } from './photo-metadata.ts';
import type { PhotoMetadata } from './photo-metadata.ts';
import { refuse } from './refusal.ts';
import type { MediaRefusal } from './refusal.ts';
import { sniff } from './sniff.ts';
import type { ImageType } from './sniff.ts';

/**
 * How a picture's colours become sRGB: `straight` while it is decoded, `shrink_first` when that saves work, and by ways
 * of their own where the decoder would go wrong, which are colour and grey of 16 bits with a profile.
 */
export type ColourPath = 'straight' | 'shrink_first' | 'colour_16' | 'grey_16';

/** What a header tells before anything is decoded. `width` and `height` are those of the upright picture. */
export interface ProbedImage {
  readonly ok: true;
  readonly type: ImageType;
  readonly width: number;
  readonly height: number;
  readonly animated: boolean;
  readonly metadata: PhotoMetadata;
  readonly colourPath: ColourPath;
}

/** From here on a detour through an uncompressed copy costs less than converting every pixel. */
const MANY_PIXELS = 6_000_000;

/** Reads type, size and metadata of a picture, refusing whatever must not be decoded. */
export async function probeImage(bytes: Uint8Array, declaredType?: string): Promise<ProbedImage | MediaRefusal> {
  if (bytes.length > MAX_IMAGE_BYTES) return refuse('media_too_large');
  const found = await sniff(bytes, declaredType);
  if (!found.ok) return found;
  if (found.kind !== 'image') return refuse('media_unsupported_type');
  const header = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch(() => null);
  const refusal = judgeHeader(header, found.type);
  if (refusal || !header) return refusal ?? refuse('media_corrupt');
  return {
    ok: true,
    type: found.type,
    ...header.autoOrient,
    animated: (header.pages ?? 1) > 1,
    metadata: await readPhotoMetadata(header.exif),
    colourPath: colourPathOf(header),
  };
}

function colourPathOf({ hasProfile, space, width, height }: Metadata): ColourPath {
  if (!hasProfile) return 'straight';
  if (space === 'rgb16') return 'colour_16';
  if (space === 'grey16') return 'grey_16';
  return space === 'srgb' && width * height > MANY_PIXELS ? 'shrink_first' : 'straight';
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
