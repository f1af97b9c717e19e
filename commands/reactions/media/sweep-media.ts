import type { MediaId } from '../../../domain/ids.ts';
import { LIMITS } from '../../../domain/limits.ts';
import { mediaDecider } from '../../../domain/media.ts';
import { streamOf } from '../../../domain/streams.ts';
import { sweepCommandId } from '../../../infra/ids.ts';
import type { ObjectStore } from '../../../infra/object-store/object-store.ts';
import type { FsObjectStore } from '../../../infra/object-store/object-store-fs.ts';
import type { Pool } from '../../../infra/postgres.ts';
import { handle, type CommandContext, type Log } from '../../handle.ts';
import { release } from './delete-media.ts';
import { deletedFiles, forgetFile, overdueUploads, runOut } from './media-files.ts';
import type { Sweep } from '../reaction.ts';

type SweepDeps = Log & { readonly pool: Pool; readonly objects: ObjectStore };

const PAGE = 200;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** How long a deleted file can still be brought back from the object store by hand. */
export const GRACE_MS = 30 * 24 * HOUR_MS;

/** Gives up uploads that were not completed in time, and removes what has arrived of them. */
export function sweepUploads(deps: SweepDeps): Sweep {
  return {
    name: 'uploads',
    everyMs: MINUTE_MS,
    sweep: (now, signal) =>
      page(
        () => overdueUploads(deps.pool, now, PAGE),
        signal,
        async ({ mediaId, uploadKey }) => {
          const handled = await handle(deps, systemContext(mediaId, 'abandon-upload', now), {
            decider: mediaDecider,
            streamId: streamOf.media(mediaId),
            command: { type: 'AbandonUpload', now: now.toISOString() },
            owners: ({ data }) => [data.ownerId],
          });
          if (!handled.ok) throw new Error(`${mediaId}: ${handled.refusal.code}`);
          // Completed at the last moment: the file stays, and only this note of it is late.
          if (handled.state.status === 'abandoned' && uploadKey !== null) await deps.objects.delete(uploadKey);
          await deps.pool.query('update reactions.media_file set upload_expires_at = null where media_id = $1', [
            mediaId,
          ]);
        },
      ),
  };
}

/** Deletes the media of stories that have run out, unless something else shows them. */
export function sweepStories(deps: SweepDeps): Sweep {
  return {
    name: 'stories',
    everyMs: HOUR_MS,
    sweep: (now, signal) =>
      page(
        () => runOut(deps.pool, now, PAGE),
        signal,
        (storyId) => release(deps, systemContext(storyId, 'story-ran-out', now), storyId),
      ),
  };
}

/** Removes the objects of media that were deleted more than 30 days ago. */
export function sweepDeletedMedia(deps: SweepDeps): Sweep {
  return {
    name: 'deleted-media',
    everyMs: HOUR_MS,
    sweep: (now, signal) =>
      page(
        () => deletedFiles(deps.pool, new Date(now.getTime() - GRACE_MS), PAGE),
        signal,
        async ({ mediaId, uploadKey }) => {
          await removeObjects(deps.objects, mediaId, uploadKey);
          await forgetFile(deps.pool, mediaId);
        },
      ),
  };
}

/** Removes all that is stored of a medium. */
export async function removeObjects(objects: ObjectStore, mediaId: MediaId, uploadKey: string | null): Promise<void> {
  for await (const { key } of objects.list(`media/${mediaId}/`)) await objects.delete(key);
  if (uploadKey !== null) await objects.delete(uploadKey);
}

/**
 * Works through a list page by page. Each thing leaves it when it is done, so the next page is read from the start
 * again.
 */
export async function page<T>(
  read: (limit: number) => Promise<T[]>,
  signal: AbortSignal,
  work: (thing: T) => Promise<void>,
): Promise<number> {
  let done = 0;
  for (;;) {
    const things = await read(PAGE);
    for (const thing of things) {
      if (signal.aborted) return done;
      await work(thing);
      done += 1;
    }
    if (things.length < PAGE) return done;
  }
}

/** The context in which a sweep commands, the same for the same thing. */
export function systemContext(id: string, sweep: string, now: Date): CommandContext {
  const commandId = sweepCommandId(id, sweep);
  return { commandId, actorId: 'system', correlationId: commandId, causationId: commandId, now };
}

/** Removes what the file-system store keeps of broken and finished uploads, once no grant of then is good any more. */
export function sweepStrayFiles(objects: Pick<FsObjectStore, 'sweep'>): Sweep {
  return {
    name: 'stray-files',
    everyMs: HOUR_MS,
    sweep: (now) => objects.sweep(new Date(now.getTime() - 2 * LIMITS.uploadLifetimeMs)),
  };
}
