import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { CameraData, MediaCommand, MediaState, Variant } from '../../domain/media.ts';
import type { MediaId } from '../../domain/ids.ts';
import { mediaDecider } from '../../domain/media.ts';
import { streamOf } from '../../domain/streams.ts';
import type { ObjectStore } from '../../infra/object-store.ts';
import type { PhotoMetadata } from '../../media/photo-metadata.ts';
import type { ImageOptions, ProcessedImage } from '../../media/process-image.ts';
import type { Variant as MadeVariant } from '../../media/variants.ts';
import type { MediaWorkers } from '../../media/worker-pool.ts';
import { handle, loadState, type CommandContext, type Log } from '../handle.ts';

export type MakeMediaDeps = Log & { readonly objects: ObjectStore; readonly workers: Pick<MediaWorkers, 'process'> };

/** What became of a file: `nothing` when it was settled or deleted before, or deleted meanwhile. */
export type Made = 'processed' | 'rejected' | 'nothing';

/**
 * Makes an uploaded file ready: every size into the object store, then the fact into the log. A file that cannot be shown
 * is rejected with its reason. Repeating it changes nothing; a rejection of the promise means that a store or a worker failed.
 */
export async function makeMedia(deps: MakeMediaDeps, context: CommandContext, job: { mediaId: MediaId; options?: ImageOptions }): Promise<Made> {
  const media = await loadState(deps, mediaDecider, streamOf.media(job.mediaId));
  if (media.status !== 'uploaded') return 'nothing';
  const command = await commandFor(deps, media, job.options ?? {});
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

async function commandFor(deps: MakeMediaDeps, media: Uploaded, options: ImageOptions): Promise<Extract<MediaCommand, { type: 'RecordProcessed' | 'RejectMedia' }>> {
  if (media.kind === 'video') return { type: 'RejectMedia', reason: 'media_video_unavailable' };
  const original = await deps.objects.get(media.key);
  if (!original.ok) return { type: 'RejectMedia', reason: 'media_lost' };
  const made = await deps.workers.process(await buffer(original.body), { ...options, declaredType: media.contentType, ...(media.filter === null ? {} : { filter: media.filter }) });
  if (!made.ok) return { type: 'RejectMedia', reason: made.code };
  const variants = await Promise.all(made.variants.map((variant) => store(deps.objects, media.mediaId, variant)));
  return { type: 'RecordProcessed', result: resultOf(made, variants) };
}

/** Where a size of a medium lies in the object store; its name is as hard to guess as the medium's id. */
function keyOf(mediaId: MediaId, { name, contentType }: MadeVariant): string {
  return `media/${mediaId}/${name}.${contentType.slice('image/'.length)}`;
}

async function store(objects: ObjectStore, mediaId: MediaId, made: MadeVariant): Promise<Variant> {
  const { name, contentType, width, height, bytes } = made;
  const key = keyOf(mediaId, made);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const present = await objects.head(key);
  if (present?.checksumSha256 !== sha256) await objects.put(key, bytes, { contentType, checksumSha256: sha256 });
  return { name, key, contentType, width, height, bytes: bytes.length, sha256 };
}

function resultOf(made: ProcessedImage, variants: readonly Variant[]): Extract<MediaCommand, { type: 'RecordProcessed' }>['result'] {
  return { width: made.width, height: made.height, durationMs: null, blurhash: made.blurhash ?? '', variants: [...variants], camera: cameraOf(made.metadata) };
}

// The place stays behind: nobody can yet allow that it is kept.
function cameraOf({ takenAt, camera }: PhotoMetadata): CameraData | null {
  if (takenAt === null && camera === null) return null;
  return {
    ...(takenAt === null ? {} : { takenAt }),
    ...(camera?.make ? { make: camera.make } : {}),
    ...(camera?.model ? { model: camera.model } : {}),
  };
}
