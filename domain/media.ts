import { accept, refuse, type Decider } from './decider.ts';
import { typesOf } from './event-definition.ts';
import type { Filter } from './filter.ts';
import type { AccountId, MediaId } from './ids.ts';
import { mediaEvents, type MediaEvent } from './media-events.ts';
import { kindOf, largestFile, UPLOAD_TYPES, type Variant } from './media-file.ts';
import { evolve, type MediaState } from './media-state.ts';

// Commands
/** What really arrived in the object store, read off the bytes. `contentType` is null for bytes of no known type. */
export type Arrived = { readonly fileSize: number; readonly contentType: string | null; readonly sha256: string };
type Processed = Omit<Extract<MediaEvent, { type: 'MediaProcessed' }>['data'], 'mediaId' | 'ownerId' | 'kind'>;
export type MediaCommand =
  /** `takesVideos`: whether this installation can make videos ready. */
  | {
      readonly type: 'RequestUpload';
      readonly upload: Extract<MediaEvent, { type: 'UploadRequested' }>['data'];
      readonly takesVideos: boolean;
    }
  /** `arrived` is null when there is no object. `now` is a time as `toISOString` writes it. */
  | { readonly type: 'CompleteUpload'; readonly by: AccountId; readonly arrived: Arrived | null; readonly now: string }
  /** Makes another medium of a picture's file; `from` is the picture. */
  | {
      readonly type: 'DeriveMedia';
      readonly mediaId: MediaId;
      readonly ownerId: AccountId;
      readonly from: MediaState;
      readonly filter: Filter;
    }
  | { readonly type: 'AbandonUpload'; readonly now: string }
  | { readonly type: 'RecordProcessed'; readonly result: Processed }
  /** `variants` are sizes or formats that there were not. */
  | { readonly type: 'RecordFormat'; readonly variants: readonly Variant[] }
  | { readonly type: 'RejectMedia'; readonly reason: string }
  | { readonly type: 'DeleteMedia' };
export type MediaRefusal =
  | 'media_type_unsupported'
  | 'media_video_unavailable'
  | 'media_too_large'
  | 'upload_id_taken'
  | 'media_not_found'
  | 'media_not_uploaded'
  | 'media_rejected'
  | 'upload_not_found'
  | 'upload_expired'
  | 'upload_missing'
  | 'upload_size_mismatch'
  | 'upload_type_mismatch'
  | 'upload_checksum_mismatch';

/**
 * Why an account cannot show a medium in a post or a story; undefined when it can. Another's medium looks like a
 * missing one.
 */
export function unusableBy(
  state: MediaState,
  accountId: AccountId,
): 'media_not_found' | 'media_not_uploaded' | 'media_rejected' | undefined {
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

function requestUpload(state: MediaState, { upload, takesVideos }: Extract<MediaCommand, { type: 'RequestUpload' }>) {
  if (state.status !== 'absent') return refuse('upload_id_taken');
  const kind = kindOf(upload.contentType);
  if (kind !== upload.kind) return refuse('media_type_unsupported', `must be one of ${UPLOAD_TYPES.join(', ')}`);
  if (kind === 'video' && !takesVideos) return refuse('media_video_unavailable', 'only pictures can be uploaded here');
  if (upload.fileSize > largestFile(kind))
    return refuse('media_too_large', `a file of this kind may have ${largestFile(kind)} bytes`);
  return accept<MediaEvent>({ type: 'UploadRequested', data: upload });
}

function deriveMedia(
  state: MediaState,
  { mediaId, ownerId, from, filter }: Extract<MediaCommand, { type: 'DeriveMedia' }>,
) {
  if (state.status !== 'absent') return refuse('upload_id_taken');
  const why = unusableBy(from, ownerId);
  if (why !== undefined) return refuse(why);
  if (from.status !== 'uploaded' && from.status !== 'processed') return refuse('media_not_found');
  const { contentType, fileSize, key, kind } = from;
  if (kind !== 'image') return refuse('media_type_unsupported', 'a filter needs a picture');
  return accept<MediaEvent>({
    type: 'MediaDerived',
    data: { mediaId, ownerId, fromMediaId: from.mediaId, filter, kind, contentType, fileSize, key },
  });
}

function completeUpload(state: MediaState, { by, arrived, now }: Extract<MediaCommand, { type: 'CompleteUpload' }>) {
  if (state.status === 'absent' || state.ownerId !== by || state.status === 'deleted')
    return refuse('upload_not_found');
  if (state.status === 'abandoned') return refuse('upload_expired', 'ask for a new upload');
  if (state.status !== 'requested') return accept<MediaEvent>();
  if (now > state.expiresAt) return refuse('upload_expired', 'ask for a new upload');
  if (arrived === null) return refuse('upload_missing', 'send the file to upload_url first');
  return compareWithPromise(state, arrived);
}

function compareWithPromise(
  { mediaId, ownerId, kind, contentType, fileSize, key, sha256 }: Extract<MediaState, { status: 'requested' }>,
  arrived: Arrived,
) {
  if (arrived.fileSize !== fileSize)
    return refuse('upload_size_mismatch', `${arrived.fileSize} bytes arrived, ${fileSize} were declared`);
  if (arrived.contentType !== contentType)
    return refuse(
      'upload_type_mismatch',
      `the bytes are ${arrived.contentType ?? 'of no known type'}, ${contentType} was declared`,
    );
  if (sha256 !== null && arrived.sha256 !== sha256) return refuse('upload_checksum_mismatch');
  return accept<MediaEvent>({
    type: 'UploadCompleted',
    data: { mediaId, ownerId, kind, contentType, fileSize, sha256: arrived.sha256, key },
  });
}

// Late work on a medium that was deleted, or a second result, changes nothing.
function settle(state: MediaState, command: Extract<MediaCommand, { type: 'RecordProcessed' | 'RejectMedia' }>) {
  if (state.status !== 'uploaded') return accept<MediaEvent>();
  const { mediaId, ownerId, kind } = state;
  return command.type === 'RecordProcessed'
    ? accept<MediaEvent>({ type: 'MediaProcessed', data: { ...command.result, mediaId, ownerId, kind } })
    : accept<MediaEvent>({ type: 'MediaRejected', data: { mediaId, ownerId, reason: command.reason } });
}

// What is there already, and more of a medium that was deleted meanwhile, changes nothing.
function recordFormat(state: MediaState, variants: readonly Variant[]) {
  if (state.status !== 'processed') return accept<MediaEvent>();
  const missing = variants.filter(({ key }) => state.variants.every((known) => known.key !== key));
  return missing.length === 0
    ? accept<MediaEvent>()
    : accept<MediaEvent>({
        type: 'MediaFormatMade',
        data: { mediaId: state.mediaId, ownerId: state.ownerId, variants: missing },
      });
}

function deleteMedia(state: MediaState) {
  if (state.status === 'absent' || state.status === 'deleted' || state.status === 'abandoned')
    return accept<MediaEvent>();
  return accept<MediaEvent>({ type: 'MediaDeleted', data: { mediaId: state.mediaId, ownerId: state.ownerId } });
}

function abandonUpload(state: MediaState, now: string) {
  return state.status === 'requested' && now > state.expiresAt
    ? accept<MediaEvent>({ type: 'UploadAbandoned', data: { mediaId: state.mediaId, ownerId: state.ownerId } })
    : accept<MediaEvent>();
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
      return abandonUpload(state, command.now);
    case 'RecordProcessed':
    case 'RejectMedia':
      return settle(state, command);
    case 'RecordFormat':
      return recordFormat(state, command.variants);
    case 'DeleteMedia':
      return deleteMedia(state);
    default:
      return command satisfies never;
  }
}

/** One uploaded file, from the promise of an upload to its deletion. */
export const mediaDecider: Decider<MediaState, MediaCommand, MediaEvent, MediaRefusal> = {
  eventTypes: typesOf(mediaEvents),
  initial: { status: 'absent' },
  evolve,
  decide,
};
