import type { Filter } from './filter.ts';
import type { AccountId, MediaId } from './ids.ts';
import type { MediaEvent } from './media-events.ts';
import type { CameraConsent, Streams, Variant } from './media-file.ts';

type File = {
  readonly mediaId: MediaId;
  readonly ownerId: AccountId;
  readonly kind: 'image' | 'video';
  readonly contentType: string;
  readonly fileSize: number;
  readonly key: string;
};
export type MediaState =
  | { readonly status: 'absent' }
  | ({
      readonly status: 'requested';
      readonly sha256: string | null;
      readonly expiresAt: string;
      readonly cameraConsent: CameraConsent;
    } & File)
  /** `filter` is the look that it is still to be given. */
  | ({ readonly status: 'uploaded'; readonly filter: Filter | null; readonly cameraConsent: CameraConsent } & File)
  | ({
      readonly status: 'processed';
      readonly filter: Filter | null;
      readonly width: number;
      readonly height: number;
      readonly durationMs: number | null;
      readonly blurhash: string;
      readonly variants: readonly Variant[];
      readonly streams: Streams | null;
    } & File)
  | ({ readonly status: 'rejected'; readonly reason: string } & File)
  | ({ readonly status: 'abandoned' } & File)
  | ({ readonly status: 'deleted' } & File);

/** The medium after an event; throws where the event cannot have happened. */
export function evolve(state: MediaState, event: MediaEvent): MediaState {
  if (event.type === 'UploadRequested')
    return { status: 'requested', ...event.data, cameraConsent: event.data.cameraConsent ?? 'camera' };
  // What the camera wrote is kept with the picture itself, once.
  if (event.type === 'MediaDerived')
    return { status: 'uploaded', ...fileOf(event.data), filter: event.data.filter, cameraConsent: 'none' };
  if (state.status === 'absent') throw new Error(`a medium began with ${event.type}`);
  return evolveExisting(state, event);
}

function fileOf({ mediaId, ownerId, kind, contentType, fileSize, key }: File): File {
  return { mediaId, ownerId, kind, contentType, fileSize, key };
}

function evolveExisting(
  state: Exclude<MediaState, { status: 'absent' }>,
  event: Exclude<MediaEvent, { type: 'UploadRequested' | 'MediaDerived' }>,
): MediaState {
  const file = fileOf(state);
  switch (event.type) {
    case 'UploadCompleted':
      return {
        status: 'uploaded',
        ...fileOf(event.data),
        filter: null,
        cameraConsent: state.status === 'requested' ? state.cameraConsent : 'none',
      };
    case 'UploadAbandoned':
      return { status: 'abandoned', ...file };
    case 'MediaProcessed': {
      const { width, height, durationMs, blurhash, variants, streams = null } = event.data;
      return {
        status: 'processed',
        ...file,
        filter: state.status === 'uploaded' ? state.filter : null,
        width,
        height,
        durationMs,
        blurhash,
        variants,
        streams,
      };
    }
    case 'MediaFormatMade':
      return withFormat(state, event.data.variants);
    case 'MediaRejected':
      return { status: 'rejected', ...file, reason: event.data.reason };
    case 'MediaDeleted':
      return { status: 'deleted', ...file };
    default:
      return event satisfies never;
  }
}

function withFormat(state: Exclude<MediaState, { status: 'absent' }>, variants: readonly Variant[]): MediaState {
  return state.status === 'processed' ? { ...state, variants: [...state.variants, ...variants] } : state;
}
