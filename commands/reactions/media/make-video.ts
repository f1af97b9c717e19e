import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import pLimit from 'p-limit';
import type { MediaCommand } from '../../../domain/media.ts';
import type { MediaState } from '../../../domain/media-state.ts';
import type { ObjectStore } from '../../../infra/object-store/object-store.ts';
import { processVideo, type ProcessedVideo, type VideoFile, type VideoOptions } from '../../../media/process-video.ts';
import { mediaPrefix, storeOnce, storeVariant } from './media-objects.ts';

export type MakeVideoDeps = {
  readonly objects: ObjectStore;
  readonly workers: VideoOptions['images'];
  /** Calls the work off. */
  readonly signal?: AbortSignal;
  /** Names of the video programs, when they are others than the usual ones. */
  readonly programs?: VideoOptions['programs'];
};

/** Segments stored at a time. */
const UPLOADS = 4;

/**
 * Makes an uploaded video ready: its streams and its poster into the object store, what a playlist names before the
 * playlist. Rejects when it was called off, so that a video is never refused for this server's sake.
 */
export async function makeVideo(
  deps: MakeVideoDeps,
  media: Extract<MediaState, { status: 'uploaded' }>,
): Promise<Extract<MediaCommand, { type: 'RecordProcessed' | 'RejectMedia' }>> {
  const folder = await mkdtemp(join(tmpdir(), 'shutterlog-video-'));
  try {
    const path = join(folder, 'source');
    const original = await deps.objects.get(media.key);
    if (!original.ok) return { type: 'RejectMedia', reason: 'media_lost' };
    await pipeline(original.body, createWriteStream(path));
    const made = await processVideo({
      path,
      outputDir: join(folder, 'out'),
      images: deps.workers,
      declaredType: media.contentType,
      ...(deps.signal === undefined ? {} : { signal: deps.signal }),
      ...(deps.programs === undefined ? {} : { programs: deps.programs }),
    });
    deps.signal?.throwIfAborted();
    return made.ok
      ? await storeVideo(deps.objects, media, { made, folder: join(folder, 'out') })
      : { type: 'RejectMedia', reason: made.code };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function storeVideo(
  objects: ObjectStore,
  { mediaId }: Extract<MediaState, { status: 'uploaded' }>,
  { made, folder }: { made: ProcessedVideo; folder: string },
): Promise<Extract<MediaCommand, { type: 'RecordProcessed' }>> {
  const variants = await Promise.all(made.poster.variants.map((variant) => storeVariant(objects, mediaId, variant)));
  const store = async ({ name, contentType }: VideoFile) => {
    const path = join(folder, name);
    await storeOnce(objects, mediaPrefix(mediaId) + name, {
      source: { path },
      contentType,
      sha256: await hashOf(path),
    });
  };
  const limit = pLimit(UPLOADS);
  await Promise.all(made.files.filter(isSegment).map((file) => limit(() => store(file))));
  for (const playlist of made.files.filter((file) => !isSegment(file))) await store(playlist);
  return {
    type: 'RecordProcessed',
    result: {
      width: made.width,
      height: made.height,
      durationMs: Math.max(1, Math.round(made.durationSeconds * 1_000)),
      blurhash: made.poster.blurhash ?? '',
      variants,
      streams: { playlist: mediaPrefix(mediaId) + made.playlist, renditions: [...made.renditions] },
      camera: null,
    },
  };
}

const isSegment = ({ contentType }: VideoFile) => contentType === 'video/mp2t';

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
