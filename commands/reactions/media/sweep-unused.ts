import { MediaId } from '../../../domain/ids.ts';
import { mediaDecider } from '../../../domain/media.ts';
import type { Position } from '../../../domain/position.ts';
import { streamOf } from '../../../domain/streams.ts';
import type { ListedObject, ObjectStore } from '../../../infra/object-store/object-store.ts';
import type { Pool, Sql } from '../../../infra/postgres.ts';
import { loadState, type Log } from '../../handle.ts';
import { DELETE_MEDIA, deleteOne } from './delete-media.ts';
import { pause } from '../runner/leadership.ts';
import { forgetFile, notedFiles, unusedFiles } from './media-files.ts';
import { mediaPrefix } from './media-objects.ts';
import type { Sweep } from '../reaction.ts';
import { page, removeObjects, systemContext } from './sweep-media.ts';
import type { MediaState } from '../../../domain/media-state.ts';

export type SweepUnusedDeps = Log & {
  readonly pool: Pool;
  readonly objects: ObjectStore;
  /** How long an upload may lie there unused, and an object unnamed: what is under way is younger. */
  readonly unusedUploadMs: number;
};

const MINUTE_MS = 60_000;
const PATIENCE_MS = 5_000;
const LOOK_MS = 100;
/** Objects looked at in one round. A round a minute goes through a million in half a day. */
const OBJECTS_AT_ONCE = 2_000;

/**
 * Deletes media that were uploaded and that nothing has shown since, with their objects at once: nobody has seen them.
 * What shows a medium is known from the log up to a place, so the sweep waits until that is the present end of it.
 */
export function sweepUnusedUploads(deps: SweepUnusedDeps): Sweep {
  const { pool, store, objects, unusedUploadMs } = deps;
  return {
    name: 'unused-uploads',
    everyMs: 10 * MINUTE_MS,
    sweep: async (now, signal) => {
      const before = new Date(now.getTime() - unusedUploadMs);
      if ((await unusedFiles(pool, before, 1)).length === 0) return 0;
      if (!(await usesNotedUpTo(deps, await store.head(), signal))) return 0;
      return page(
        (limit) => unusedFiles(pool, before, limit),
        signal,
        async ({ mediaId, uploadKey }) => {
          await deleteOne(deps, systemContext(mediaId, 'unused-upload', now), mediaId);
          await removeObjects(objects, mediaId, uploadKey);
          await forgetFile(pool, mediaId);
        },
      );
    },
  };
}

async function usesNotedUpTo(
  { pool, store: { storeId } }: SweepUnusedDeps,
  head: Position,
  signal: AbortSignal,
): Promise<boolean> {
  for (let waited = 0; waited <= PATIENCE_MS && !signal.aborted; waited += LOOK_MS) {
    const { rowCount } = await pool.query(
      'select from reactions.checkpoint where reaction = $1 and store_id = $2 and position >= $3',
      [DELETE_MEDIA, storeId, head],
    );
    if (rowCount === 1) return true;
    await pause(LOOK_MS, signal);
  }
  return false;
}

const ORPHANS = 'orphans';
const PREFIXES = ['media/', 'uploads/'] as const;
const ID_IN_KEY = /(?:^|\/)(med_[0-7][0-9a-hjkmnp-tv-z]{25})(?:\/|$)/;

/**
 * Removes objects that no event names: what was sent after its upload was given up, sizes that were made of a medium
 * deleted meanwhile, leftovers of a log that was set back. Goes on where the round before ended. Objects without a
 * medium's id in their name are somebody else's.
 */
export function sweepOrphans(deps: SweepUnusedDeps): Sweep {
  const { pool, objects, unusedUploadMs } = deps;
  return {
    name: ORPHANS,
    everyMs: MINUTE_MS,
    sweep: async (now, signal) => {
      const { found, place } = await nextObjects(objects, await placeOf(pool));
      const before = now.getTime() - unusedUploadMs;
      const old = found.filter(({ lastModified }) => lastModified.getTime() < before);
      let removed = 0;
      for (const [id, keys] of Map.groupBy(old, ({ key }) => ID_IN_KEY.exec(key)?.[1])) {
        if (signal.aborted) return removed;
        if (id !== undefined)
          removed += await removeUnnamed(
            deps,
            MediaId.parse(id),
            keys.map(({ key }) => key),
          );
      }
      await pool.query(
        'insert into reactions.sweep_place (sweep, place) values ($1, $2) on conflict (sweep) do update set place = excluded.place',
        [ORPHANS, place],
      );
      return removed;
    },
  };
}

async function placeOf(sql: Sql): Promise<string> {
  const { rows } = await sql.query<{ place: string }>('select place from reactions.sweep_place where sweep = $1', [
    ORPHANS,
  ]);
  return rows[0]?.place ?? '';
}

/** The next objects after a key, and the key to go on from: the empty one, which begins anew, after the last. */
async function nextObjects(
  objects: Pick<ObjectStore, 'list'>,
  after: string,
): Promise<{ found: ListedObject[]; place: string }> {
  const found: ListedObject[] = [];
  for (const prefix of PREFIXES) {
    if (after > prefix && !after.startsWith(prefix)) continue;
    for await (const object of objects.list(prefix, after.startsWith(prefix) ? after : undefined)) {
      found.push(object);
      if (found.length >= OBJECTS_AT_ONCE) return { found, place: object.key };
    }
  }
  return { found, place: '' };
}

async function removeUnnamed(deps: SweepUnusedDeps, mediaId: MediaId, keys: readonly string[]): Promise<number> {
  const media = await loadState(deps, mediaDecider, streamOf.media(mediaId));
  const gone = media.status === 'absent' || media.status === 'deleted' || media.status === 'abandoned';
  // Until its time of grace is over a deleted medium is noted, and can be brought back.
  if (gone && (await notedFiles(deps.pool, [mediaId])).has(mediaId)) return 0;
  const unnamed = keys.filter((key) => !names(media, key));
  for (const key of unnamed) await deps.objects.delete(key);
  return unnamed.length;
}

function names(media: MediaState, key: string): boolean {
  switch (media.status) {
    case 'absent':
    case 'deleted':
    case 'abandoned':
      return false;
    case 'requested':
    case 'rejected':
      return key === media.key;
    case 'uploaded':
      // What is being made of it will be named.
      return key === media.key || key.startsWith(mediaPrefix(media.mediaId));
    case 'processed':
      return namesProcessed(media, key);
    default:
      return media satisfies never;
  }
}

function namesProcessed(media: Extract<MediaState, { status: 'processed' }>, key: string): boolean {
  if (key === media.key || media.variants.some((variant) => variant.key === key)) return true;
  return isBeside(media.streams?.playlist, key);
}

// A video's first playlist is named, and all its files lie beside and below it.
function isBeside(playlist: string | undefined, key: string): boolean {
  return playlist !== undefined && key.startsWith(playlist.slice(0, playlist.lastIndexOf('/') + 1));
}
