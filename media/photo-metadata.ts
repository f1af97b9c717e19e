import exifr from 'exifr';
import { z } from 'zod';

/** What the camera wrote about a photo. It is read for its owner and never served inside the picture. */
export interface PhotoMetadata {
  /** Local time at the place, `YYYY-MM-DDTHH:MM:SS`, with an offset such as `+03:00` when the camera knew it. */
  readonly takenAt: string | null;
  readonly camera: { readonly make: string | null; readonly model: string | null; readonly lens: string | null } | null;
  /** Degrees, south and west negative. */
  readonly location: { readonly latitude: number; readonly longitude: number } | null;
}

export const NO_METADATA: PhotoMetadata = { takenAt: null, camera: null, location: null };

const words = z.string().transform(plainWords).nullable().catch(null);
const tags = z.object({
  Make: words.default(null),
  Model: words.default(null),
  LensModel: words.default(null),
  DateTimeOriginal: z.string().nullable().catch(null).default(null),
  OffsetTimeOriginal: z.string().nullable().catch(null).default(null),
  latitude: z.number().min(-90).max(90).nullable().catch(null).default(null),
  longitude: z.number().min(-180).max(180).nullable().catch(null).default(null),
});

/**
 * Reads date, camera and place from an EXIF block (with or without its `Exif` prefix).
 * A damaged block or a senseless value is treated as absent: no photo is refused for its metadata.
 */
export async function readPhotoMetadata(exif: Buffer | undefined): Promise<PhotoMetadata> {
  if (!exif) return NO_METADATA;
  const tiff = exif.toString('latin1', 0, 6) === 'Exif\0\0' ? exif.subarray(6) : exif;
  const raw: unknown = await exifr
    .parse(tiff, {
      reviveValues: false,
      gps: true,
      pick: [
        'Make',
        'Model',
        'LensModel',
        'DateTimeOriginal',
        'OffsetTimeOriginal',
        'GPSLatitude',
        'GPSLongitude',
        'GPSLatitudeRef',
        'GPSLongitudeRef',
      ],
    })
    .catch(() => undefined);
  const parsed = tags.safeParse(raw ?? {});
  return parsed.success ? present(parsed.data) : NO_METADATA;
}

function present(found: z.infer<typeof tags>): PhotoMetadata {
  const camera = { make: found.Make, model: found.Model, lens: found.LensModel };
  const { latitude, longitude } = found;
  return {
    takenAt: takenAt(found.DateTimeOriginal, found.OffsetTimeOriginal),
    camera: camera.make === null && camera.model === null && camera.lens === null ? null : camera,
    location: latitude === null || longitude === null ? null : { latitude, longitude },
  };
}

function takenAt(stamp: string | null, offset: string | null): string | null {
  const [, date, time] = /^(\d{4}:\d\d:\d\d)[ T](\d\d:\d\d:\d\d)/.exec(stamp ?? '') ?? [];
  if (date === undefined || time === undefined) return null;
  const local = `${date.replaceAll(':', '-')}T${time}`;
  const zone = /^[+-]\d\d:\d\d$/.test(offset ?? '') ? (offset ?? '') : '';
  // Cameras without a set clock write zeros, which the calendar does not have; one that rolls over is no date either.
  const parsed = new Date(`${local}Z`);
  return Number.isNaN(parsed.getTime()) || !parsed.toISOString().startsWith(local) ? null : local + zone;
}

function plainWords(text: string): string | null {
  const plain = text
    // eslint-disable-next-line no-control-regex -- cameras pad with NUL, and control characters have no place in a name
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, 100);
  return plain === '' ? null : plain;
}
