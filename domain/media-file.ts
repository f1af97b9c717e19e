import { z } from 'zod';
import { LIMITS } from './limits.ts';

export const Variant = z.object({
  /** The last two are squares that a profile picture has beside the others. */
  name: z.enum(['thumbnail', 'small', 'medium', 'large', 'original', 'profile_small', 'profile_medium']),
  /** Key in the object store. */
  key: z.string().max(300),
  contentType: z.string().max(100),
  width: z.int().positive(),
  height: z.int().positive(),
  bytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type Variant = z.infer<typeof Variant>;

/**
 * A video's HLS files: the playlist that leads to all others, and the qualities that it offers. Their keys begin like
 * the playlist's.
 */
export const Streams = z.object({
  playlist: z.string().max(300),
  renditions: z
    .array(z.object({ name: z.string().max(20), width: z.int().positive(), height: z.int().positive() }))
    .min(1)
    .max(10),
});
export type Streams = z.infer<typeof Streams>;

/** What may be kept of what the camera wrote: nothing, date and camera, or the place as well. */
export const CameraConsent = z.enum(['none', 'camera', 'camera_and_location']);
export type CameraConsent = z.infer<typeof CameraConsent>;

/** What the camera wrote into the file; read, then stripped from everything that is served. */
export const CameraData = z.object({
  /** Local time at the place, with an offset when the camera knew one. */
  takenAt: z.iso.datetime({ local: true, offset: true }).optional(),
  make: z.string().max(100).optional(),
  model: z.string().max(100).optional(),
  latitude: z.number().min(-90).max(90).optional(),
  longitude: z.number().min(-180).max(180).optional(),
});
export type CameraData = z.infer<typeof CameraData>;

const KIND_OF: Readonly<Record<string, 'image' | 'video'>> = {
  'image/jpeg': 'image',
  'image/png': 'image',
  'image/webp': 'image',
  'image/avif': 'image',
  'image/heic': 'image',
  'video/mp4': 'video',
  'video/quicktime': 'video',
  'video/webm': 'video',
  'video/matroska': 'video',
};

/** The types that may be uploaded. */
export const UPLOAD_TYPES: readonly string[] = Object.keys(KIND_OF);

/** Whether a content type is an image or a video that may be uploaded; undefined when it is neither. */
export function kindOf(contentType: string): 'image' | 'video' | undefined {
  return Object.hasOwn(KIND_OF, contentType) ? KIND_OF[contentType] : undefined;
}

/** The most bytes that a file of a kind may have. */
export function largestFile(kind: 'image' | 'video'): number {
  return kind === 'image' ? LIMITS.imageBytes : LIMITS.videoBytes;
}
