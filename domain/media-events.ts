import { z } from 'zod';
import { defineEvent, personal, type EventOf } from './event-definition.ts';
import { Filter } from './filter.ts';
import { AccountId, MediaId } from './ids.ts';
import { CameraConsent, CameraData, Streams, Variant } from './media-file.ts';

export const mediaEvents = [
  defineEvent({
    type: 'UploadRequested',
    says: 'An account was given an address to upload one file to.',
    data: {
      mediaId: MediaId,
      ownerId: AccountId,
      kind: z.enum(['image', 'video']),
      contentType: z.string().max(100),
      fileSize: z.int().positive(),
      sha256: z.string().nullable(),
      key: z.string().max(300),
      expiresAt: z.iso.datetime(),
      cameraConsent: CameraConsent.optional(),
    },
  }),
  defineEvent({
    type: 'UploadCompleted',
    says: 'The file has arrived, and its size, type by content and checksum are as declared.',
    data: {
      mediaId: MediaId,
      ownerId: AccountId,
      kind: z.enum(['image', 'video']),
      contentType: z.string().max(100),
      fileSize: z.int().positive(),
      sha256: z.string(),
      key: z.string().max(300),
    },
  }),
  defineEvent({
    type: 'MediaDerived',
    says: 'An uploaded picture is to be shown with a filter: another medium, made of the same file.',
    data: {
      mediaId: MediaId,
      ownerId: AccountId,
      fromMediaId: MediaId,
      filter: Filter,
      kind: z.literal('image'),
      contentType: z.string().max(100),
      fileSize: z.int().positive(),
      key: z.string().max(300),
    },
  }),
  defineEvent({
    type: 'UploadAbandoned',
    says: 'The upload was not completed in time; what arrived is swept away.',
    data: { mediaId: MediaId, ownerId: AccountId },
  }),
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
      /** The sizes of an image, or of a video's poster. */
      variants: z.array(Variant).max(20),
      /** Of a video alone. */
      streams: Streams.optional(),
      camera: personal(CameraData),
    },
  }),
  defineEvent({
    type: 'MediaFormatMade',
    says: 'A ready medium has more files in the object store: its sizes in one more format, or the squares of a profile picture.',
    data: { mediaId: MediaId, ownerId: AccountId, variants: z.array(Variant).min(1).max(20) },
  }),
  defineEvent({
    type: 'MediaRejected',
    says: 'The file cannot be shown; the reason is a stable code.',
    data: { mediaId: MediaId, ownerId: AccountId, reason: z.string().max(100) },
  }),
  defineEvent({
    type: 'MediaDeleted',
    says: 'The owner or the system no longer wants the file served.',
    data: { mediaId: MediaId, ownerId: AccountId },
  }),
] as const;
export type MediaEvent = EventOf<(typeof mediaEvents)[number]>;
