import { z } from 'zod';
import { accept, refuse, type Decider } from './decider.ts';
import { defineEvent, personal, typesOf, type EventOf } from './event-definition.ts';
import { Filter } from './filter.ts';
import { AccountId, MediaId } from './ids.ts';
import { LIMITS } from './limits.ts';

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
  /** Local time at the place, with an offset when the camera knew one. */
  takenAt: z.iso.datetime({ local: true, offset: true }).optional(),
  make: z.string().max(100).optional(),
  model: z.string().max(100).optional(),
  latitude: z.number().min(-90).max(90).optional(),
  longitude: z.number().min(-180).max(180).optional(),
});
export type CameraData = z.infer<typeof CameraData>;

// Events
export const mediaEvents = [
  defineEvent({
    type: 'UploadRequested',
    says: 'An account was given an address to upload one file to.',
    data: { mediaId: MediaId, ownerId: AccountId, kind: z.enum(['image', 'video']), contentType: z.string().max(100), fileSize: z.int().positive(), sha256: z.string().nullable(), key: z.string().max(300), expiresAt: z.iso.datetime() },
  }),
  defineEvent({ type: 'UploadCompleted', says: 'The file has arrived, and its size, type by content and checksum are as declared.', data: { mediaId: MediaId, ownerId: AccountId, kind: z.enum(['image', 'video']), contentType: z.string().max(100), fileSize: z.int().positive(), sha256: z.string(), key: z.string().max(300) } }),
  defineEvent({
    type: 'MediaDerived',
    says: 'An uploaded picture is to be shown with a filter: another medium, made of the same file.',
    data: { mediaId: MediaId, ownerId: AccountId, fromMediaId: MediaId, filter: Filter, kind: z.literal('image'), contentType: z.string().max(100), fileSize: z.int().positive(), key: z.string().max(300) },
  }),
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

// State
type File = { readonly mediaId: MediaId; readonly ownerId: AccountId; readonly kind: 'image' | 'video'; readonly contentType: string; readonly fileSize: number; readonly key: string };
export type MediaState =
  | { readonly status: 'absent' }
  | ({ readonly status: 'requested'; readonly sha256: string | null; readonly expiresAt: string } & File)
  /** `filter` is the look that it is still to be given. */
  | ({ readonly status: 'uploaded'; readonly filter: Filter | null } & File)
  | ({ readonly status: 'processed'; readonly width: number; readonly height: number; readonly durationMs: number | null; readonly blurhash: string; readonly variants: readonly Variant[] } & File)
  | ({ readonly status: 'rejected'; readonly reason: string } & File)
  | ({ readonly status: 'abandoned' } & File)
  | ({ readonly status: 'deleted' } & File);

function evolve(state: MediaState, event: MediaEvent): MediaState {
  if (event.type === 'UploadRequested') return { status: 'requested', ...event.data };
  if (event.type === 'MediaDerived') return { status: 'uploaded', ...fileOf(event.data), filter: event.data.filter };
  if (state.status === 'absent') throw new Error(`a medium began with ${event.type}`);
  return evolveExisting(state, event);
}

function fileOf({ mediaId, ownerId, kind, contentType, fileSize, key }: File): File {
  return { mediaId, ownerId, kind, contentType, fileSize, key };
}

function evolveExisting(state: Exclude<MediaState, { status: 'absent' }>, event: Exclude<MediaEvent, { type: 'UploadRequested' | 'MediaDerived' }>): MediaState {
  const file = fileOf(state);
  switch (event.type) {
    case 'UploadCompleted':
      return { status: 'uploaded', ...fileOf(event.data), filter: null };
    case 'UploadAbandoned':
      return { status: 'abandoned', ...file };
    case 'MediaProcessed': {
      const { width, height, durationMs, blurhash, variants } = event.data;
      return { status: 'processed', ...file, width, height, durationMs, blurhash, variants };
    }
    case 'MediaRejected':
      return { status: 'rejected', ...file, reason: event.data.reason };
    case 'MediaDeleted':
      return { status: 'deleted', ...file };
    default:
      return event satisfies never;
  }
}

// Commands
/** What really arrived in the object store, read off the bytes. `contentType` is null for bytes of no known type. */
export type Arrived = { readonly fileSize: number; readonly contentType: string | null; readonly sha256: string };
type Processed = Omit<Extract<MediaEvent, { type: 'MediaProcessed' }>['data'], 'mediaId' | 'ownerId' | 'kind'>;
export type MediaCommand =
  | { readonly type: 'RequestUpload'; readonly upload: Extract<MediaEvent, { type: 'UploadRequested' }>['data'] }
  /** `arrived` is null when there is no object. `now` is a time as `toISOString` writes it. */
  | { readonly type: 'CompleteUpload'; readonly by: AccountId; readonly arrived: Arrived | null; readonly now: string }
  /** Makes another medium of a picture's file; `from` is the picture. */
  | { readonly type: 'DeriveMedia'; readonly mediaId: MediaId; readonly ownerId: AccountId; readonly from: MediaState; readonly filter: Filter }
  | { readonly type: 'AbandonUpload'; readonly now: string }
  | { readonly type: 'RecordProcessed'; readonly result: Processed }
  | { readonly type: 'RejectMedia'; readonly reason: string }
  | { readonly type: 'DeleteMedia' };
export type MediaRefusal =
  | 'media_type_unsupported' | 'media_too_large' | 'upload_id_taken' | 'media_not_found' | 'media_not_uploaded' | 'media_rejected'
  | 'upload_not_found' | 'upload_expired' | 'upload_missing' | 'upload_size_mismatch' | 'upload_type_mismatch' | 'upload_checksum_mismatch';

const KIND_OF: Readonly<Record<string, 'image' | 'video'>> = {
  'image/jpeg': 'image', 'image/png': 'image', 'image/webp': 'image', 'image/avif': 'image', 'image/heic': 'image',
  'video/mp4': 'video', 'video/quicktime': 'video', 'video/webm': 'video',
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

/** Why an account cannot show a medium in a post or a story; undefined when it can. Another's medium looks like a missing one. */
export function unusableBy(state: MediaState, accountId: AccountId): 'media_not_found' | 'media_not_uploaded' | 'media_rejected' | undefined {
  if (state.status === 'absent' || state.ownerId !== accountId) return 'media_not_found';
  switch (state.status) {
    case 'abandoned':
    case 'deleted':
      return 'media_not_found';
    case 'requested':
      return 'media_not_uploaded';
    case 'rejected':
      return 'media_rejected';
    case 'uploaded':
    case 'processed':
      return undefined;
    default:
      return state satisfies never;
  }
}

function requestUpload(state: MediaState, { upload }: Extract<MediaCommand, { type: 'RequestUpload' }>) {
  if (state.status !== 'absent') return refuse('upload_id_taken');
  const kind = kindOf(upload.contentType);
  if (kind !== upload.kind) return refuse('media_type_unsupported', `must be one of ${UPLOAD_TYPES.join(', ')}`);
  if (upload.fileSize > largestFile(kind)) return refuse('media_too_large', `a file of this kind may have ${largestFile(kind)} bytes`);
  return accept<MediaEvent>({ type: 'UploadRequested', data: upload });
}

function deriveMedia(state: MediaState, { mediaId, ownerId, from, filter }: Extract<MediaCommand, { type: 'DeriveMedia' }>) {
  if (state.status !== 'absent') return refuse('upload_id_taken');
  const why = unusableBy(from, ownerId);
  if (why !== undefined) return refuse(why);
  if (from.status !== 'uploaded' && from.status !== 'processed') return refuse('media_not_found');
  const { contentType, fileSize, key, kind } = from;
  if (kind !== 'image') return refuse('media_type_unsupported', 'a filter needs a picture');
  return accept<MediaEvent>({ type: 'MediaDerived', data: { mediaId, ownerId, fromMediaId: from.mediaId, filter, kind, contentType, fileSize, key } });
}

function completeUpload(state: MediaState, { by, arrived, now }: Extract<MediaCommand, { type: 'CompleteUpload' }>) {
  if (state.status === 'absent' || state.ownerId !== by || state.status === 'deleted') return refuse('upload_not_found');
  if (state.status === 'abandoned') return refuse('upload_expired', 'ask for a new upload');
  if (state.status !== 'requested') return accept<MediaEvent>();
  if (now > state.expiresAt) return refuse('upload_expired', 'ask for a new upload');
  if (arrived === null) return refuse('upload_missing', 'send the file to upload_url first');
  return compareWithPromise(state, arrived);
}

function compareWithPromise({ mediaId, ownerId, kind, contentType, fileSize, key, sha256 }: Extract<MediaState, { status: 'requested' }>, arrived: Arrived) {
  if (arrived.fileSize !== fileSize) return refuse('upload_size_mismatch', `${arrived.fileSize} bytes arrived, ${fileSize} were declared`);
  if (arrived.contentType !== contentType) return refuse('upload_type_mismatch', `the bytes are ${arrived.contentType ?? 'of no known type'}, ${contentType} was declared`);
  if (sha256 !== null && arrived.sha256 !== sha256) return refuse('upload_checksum_mismatch');
  return accept<MediaEvent>({ type: 'UploadCompleted', data: { mediaId, ownerId, kind, contentType, fileSize, sha256: arrived.sha256, key } });
}

// Late work on a medium that was deleted, or a second result, changes nothing.
function settle(state: MediaState, command: Extract<MediaCommand, { type: 'RecordProcessed' | 'RejectMedia' }>) {
  if (state.status !== 'uploaded') return accept<MediaEvent>();
  const { mediaId, ownerId, kind } = state;
  return command.type === 'RecordProcessed'
    ? accept<MediaEvent>({ type: 'MediaProcessed', data: { ...command.result, mediaId, ownerId, kind } })
    : accept<MediaEvent>({ type: 'MediaRejected', data: { mediaId, ownerId, reason: command.reason } });
}

function deleteMedia(state: MediaState) {
  if (state.status === 'absent' || state.status === 'deleted' || state.status === 'abandoned') return accept<MediaEvent>();
  return accept<MediaEvent>({ type: 'MediaDeleted', data: { mediaId: state.mediaId, ownerId: state.ownerId } });
}

function decide(command: MediaCommand, state: MediaState) {
  switch (command.type) {
    case 'RequestUpload':
      return requestUpload(state, command);
    case 'CompleteUpload':
      return completeUpload(state, command);
    case 'DeriveMedia':
      return deriveMedia(state, command);
    case 'AbandonUpload':
      return state.status === 'requested' && command.now > state.expiresAt
        ? accept<MediaEvent>({ type: 'UploadAbandoned', data: { mediaId: state.mediaId, ownerId: state.ownerId } })
        : accept<MediaEvent>();
    case 'RecordProcessed':
    case 'RejectMedia':
      return settle(state, command);
    case 'DeleteMedia':
      return deleteMedia(state);
    default:
      return command satisfies never;
  }
}

/** One uploaded file, from the promise of an upload to its deletion. */
export const mediaDecider: Decider<MediaState, MediaCommand, MediaEvent, MediaRefusal> = {
  eventTypes: typesOf(mediaEvents), initial: { status: 'absent' }, evolve, decide,
};
