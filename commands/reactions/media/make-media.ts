import { buffer } from 'node:stream/consumers';
import type { MediaId } from '../../../domain/ids.ts';
import { mediaDecider, type MediaCommand } from '../../../domain/media.ts';
import type { MediaState } from '../../../domain/media-state.ts';
import type { CameraConsent, CameraData, Variant } from '../../../domain/media-file.ts';
import { streamOf } from '../../../domain/streams.ts';
import type { PhotoMetadata } from '../../../media/photo-metadata.ts';
import type { ProcessedImage } from '../../../media/process-image.ts';
import type { ImageOptions } from '../../../media/image-options.ts';
import { handle, isErased, loadState, type CommandContext, type Log } from '../../handle.ts';
import { makeVideo, type MakeVideoDeps } from './make-video.ts';
import { storeVariant } from './media-objects.ts';

export type MakeMediaDeps = Log &
  MakeVideoDeps & {
    /** Gives both object stores their copy of an upload, where there are two. */
    readonly replicate?: (key: string) => Promise<unknown>;
  };

/** What became of a file: `nothing` when it was settled or deleted before, or deleted meanwhile. */
export type Made = 'processed' | 'rejected' | 'nothing';

/**
 * Makes an uploaded file ready: everything that is served of it into the object store, then the fact into the log. A
 * file that cannot be shown is rejected with its reason. Repeating it changes nothing; a rejection of the promise means
 * that a store or a worker failed.
 */
export async function makeMedia(
  deps: MakeMediaDeps,
  context: CommandContext,
  job: { mediaId: MediaId; options?: ImageOptions },
): Promise<Made> {
  const media = await loadState(deps, mediaDecider, streamOf.media(job.mediaId));
  // Of an erased account nothing can be kept any more: what its camera wrote could not even be sealed.
  if (media.status !== 'uploaded' || (await isErased(deps, media.ownerId))) return 'nothing';
  await deps.replicate?.(media.key);
  const command =
    media.kind === 'video' ? await makeVideo(deps, media) : await makePicture(deps, media, job.options ?? {});
  const handled = await handle(deps, context, {
    decider: mediaDecider,
    streamId: streamOf.media(job.mediaId),
    command,
    owners: ({ data }) => [data.ownerId],
  });
  if (!handled.ok) throw new Error(`${job.mediaId}: ${handled.refusal.code}`);
  if (handled.events.length === 0) return 'nothing';
  return command.type === 'RejectMedia' ? 'rejected' : 'processed';
}

type Uploaded = Extract<MediaState, { status: 'uploaded' }>;

async function makePicture(
  deps: MakeMediaDeps,
  media: Uploaded,
  options: ImageOptions,
): Promise<Extract<MediaCommand, { type: 'RecordProcessed' | 'RejectMedia' }>> {
  const original = await deps.objects.get(media.key);
  if (!original.ok) return { type: 'RejectMedia', reason: 'media_lost' };
  const made = await deps.workers.process(await buffer(original.body), {
    ...options,
    declaredType: media.contentType,
    ...(media.filter === null ? {} : { filter: media.filter }),
  });
  if (!made.ok) return { type: 'RejectMedia', reason: made.code };
  const variants = await Promise.all(
    made.variants.map((variant) => storeVariant(deps.objects, media.mediaId, variant)),
  );
  return { type: 'RecordProcessed', result: resultOf(made, variants, media.cameraConsent) };
}

function resultOf(
  made: ProcessedImage,
  variants: readonly Variant[],
  consent: CameraConsent,
): Extract<MediaCommand, { type: 'RecordProcessed' }>['result'] {
  return {
    width: made.width,
    height: made.height,
    durationMs: null,
    blurhash: made.blurhash ?? '',
    variants: [...variants],
    camera: cameraOf(made.metadata, consent),
  };
}

/** What the owner allows to be kept, null when that is nothing. */
function cameraOf({ takenAt, camera, location }: PhotoMetadata, consent: CameraConsent): CameraData | null {
  if (consent === 'none') return null;
  const kept: CameraData = {
    ...(takenAt === null ? {} : { takenAt }),
    ...(camera?.make ? { make: camera.make } : {}),
    ...(camera?.model ? { model: camera.model } : {}),
    ...(location !== null && consent === 'camera_and_location' ? location : {}),
  };
  return Object.keys(kept).length === 0 ? null : kept;
}
