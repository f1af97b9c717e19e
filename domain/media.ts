import { z } from 'zod';
import { defineEvent, personal, type EventOf } from './event-definition.ts';
import { AccountId, MediaId } from './ids.ts';

export const Variant = z.object({
  name: z.enum(['thumbnail', 'small', 'medium', 'large', 'original']),
  /** Key in the object store. */
  key: z.string().max(300),
  contentType: z.string().max(100),
  width: z.int().positive(),
  height: z.int().positive(),
  bytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type Variant = z.infer<typeof Variant>;

/** What the camera wrote into the file; read, then stripped from everything that is served. */
export const CameraData = z.object({
  takenAt: z.iso.datetime().optional(),
  make: z.string().max(100).optional(),
  model: z.string().max(100).optional(),
  latitude: z.number().min(-90).max(90).optional(),
  longitude: z.number().min(-180).max(180).optional(),
});

// Events
export const mediaEvents = [
  defineEvent({
    type: 'UploadRequested',
    says: 'An account was given an address to upload one file to.',
    data: { mediaId: MediaId, ownerId: AccountId, kind: z.enum(['image', 'video']), contentType: z.string().max(100), fileSize: z.int().positive(), sha256: z.string().nullable(), key: z.string().max(300), expiresAt: z.iso.datetime() },
  }),
  defineEvent({ type: 'UploadCompleted', says: 'The file has arrived, and its size, type by content and checksum are as declared.', data: { mediaId: MediaId, ownerId: AccountId, kind: z.enum(['image', 'video']), contentType: z.string().max(100), fileSize: z.int().positive(), sha256: z.string(), key: z.string().max(300) } }),
  defineEvent({ type: 'UploadAbandoned', says: 'The upload was not completed in time; what arrived is swept away.', data: { mediaId: MediaId, ownerId: AccountId } }),
  defineEvent({
    type: 'MediaProcessed',
    says: 'All sizes of an image, or all renditions of a video, are in the object store.',
    subject: 'ownerId',
    data: {
      mediaId: MediaId,
      ownerId: AccountId,
      kind: z.enum(['image', 'video']),
      width: z.int().positive(),
      height: z.int().positive(),
      durationMs: z.int().positive().nullable(),
      blurhash: z.string().max(200),
      variants: z.array(Variant).max(20),
      camera: personal(CameraData),
    },
  }),
  defineEvent({ type: 'MediaRejected', says: 'The file cannot be shown; the reason is a stable code.', data: { mediaId: MediaId, ownerId: AccountId, reason: z.string().max(100) } }),
  defineEvent({ type: 'MediaDeleted', says: 'The owner or the system no longer wants the file served.', data: { mediaId: MediaId, ownerId: AccountId } }),
] as const;
export type MediaEvent = EventOf<(typeof mediaEvents)[number]>;
