import { metrics } from '@opentelemetry/api';
import { MediaId } from '../../../domain/ids.ts';
import { mediaDecider } from '../../../domain/media.ts';
import { streamOf } from '../../../domain/streams.ts';
import type { Log as Logger } from '../../../infra/process/log.ts';
import type { MediaPair, MediaStore } from '../../../infra/object-store/media-store.ts';
import { checkIntegrity } from '../../../infra/object-store/object-store-integrity.ts';
import type { ObjectStore } from '../../../infra/object-store/object-store.ts';
import type { Pool } from '../../../infra/postgres.ts';
import { loadState, type Log } from '../../handle.ts';
import { mediaPrefix } from './media-objects.ts';
import { sweepOwedPurges, type OwedPurgeDeps } from './purge-cdn.ts';
import type { Sweep } from '../reaction.ts';
import { sweepDeletedMedia, sweepStories, sweepStrayFiles, sweepUploads } from './sweep-media.ts';
import { sweepOrphans, sweepUnusedUploads, type SweepUnusedDeps } from './sweep-unused.ts';

type Deps = Log & OwedPurgeDeps & SweepUnusedDeps & { readonly objects: ObjectStore; readonly log: Logger };
type IntegrityStores = Pick<MediaPair, 'primary'> & Partial<Pick<MediaPair, 'secondary'>>;

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Media in one daily sample. */
const SAMPLE = 100;

/** Everything that time brings about for media and the stores that they lie in. */
export function mediaSweeps(deps: Deps, media: MediaStore): Sweep[] {
  const usual = [
    sweepUploads(deps),
    sweepStories(deps),
    sweepDeletedMedia(deps),
    sweepUnusedUploads(deps),
    sweepOrphans(deps),
    sweepOwedPurges(deps),
  ];
  if (media.kind === 'files')
    return [...usual, sweepStrayFiles(media.objects), sweepIntegrity(deps, { primary: media.objects })];
  return media.pair === undefined
    ? [...usual, sweepIntegrity(deps, { primary: media.objects })]
    : [...usual, reconcileStores(media.pair), sweepIntegrity(deps, media.pair)];
}

/** Carries over what one of two buckets missed while it was away. */
export function reconcileStores(pair: Pick<MediaPair, 'reconcile'>): Sweep {
  return {
    name: 'media-stores',
    everyMs: MINUTE_MS,
    sweep: async () => {
      const { copied, removed } = await pair.reconcile();
      return copied + removed;
    },
  };
}

/**
 * Reads a sample of media whole every day and compares each file with its checksum. What is damaged or gone is restored
 * from the second bucket; the metric `media_integrity` counts files by `result`: whole, restored, lost. Gives the
 * number of files that were not whole.
 */
export function sweepIntegrity(
  deps: Log & { readonly pool: Pool; readonly log: Logger },
  stores: IntegrityStores,
  sample = SAMPLE,
): Sweep {
  const counted = metrics.getMeter('shutterlog').createCounter('media_integrity', {
    description: 'Files of the daily sample by what was found: whole, restored from the second bucket, lost.',
  });
  return {
    name: 'media-integrity',
    everyMs: DAY_MS,
    sweep: async (_now, signal) => {
      const found = { restored: 0, lost: 0 };
      for (const mediaId of await someMedia(deps.pool, sample)) {
        if (signal.aborted) break;
        const { checked, restored, lost } = await checkIntegrity({
          ...stores,
          keys: await filesOfMedium(deps, stores, mediaId),
        });
        for (const [result, count] of [
          ['whole', checked - restored.length - lost.length],
          ['restored', restored.length],
          ['lost', lost.length],
        ] as const)
          counted.add(count, { result });
        if (restored.length > 0)
          deps.log.warn(
            { media_id: mediaId, keys: restored },
            'damaged media files were restored from the second bucket',
          );
        if (lost.length > 0)
          deps.log.error({ media_id: mediaId, keys: lost }, 'media files are damaged, and there is no whole copy');
        found.restored += restored.length;
        found.lost += lost.length;
      }
      return found.restored + found.lost;
    },
  };
}

// Pages of the table are picked first, so that a sample of many media reads few rows.
async function someMedia(pool: Pool, count: number): Promise<MediaId[]> {
  const {
    rows: [size],
  } = await pool.query<{ files: number }>(
    "select reltuples::float8 as files from pg_class where oid = 'reactions.media_file'::regclass",
  );
  const percent = Math.min(100, (100 * 10 * count) / Math.max(1, size?.files ?? 0));
  const { rows } = await pool.query<{ media_id: string }>(
    `select media_id from reactions.media_file tablesample system (${String(percent)}) order by random() limit $1`,
    [count],
  );
  return rows.map(({ media_id }) => MediaId.parse(media_id));
}

// The log says what should be there; the listings add what it does not name one by one, such as the segments of a
// video.
async function filesOfMedium(
  log: Log,
  { primary, secondary }: IntegrityStores,
  mediaId: MediaId,
): Promise<Set<string>> {
  const media = await loadState(log, mediaDecider, streamOf.media(mediaId));
  const keys = new Set<string>();
  if (media.status === 'uploaded' || media.status === 'processed') keys.add(media.key);
  if (media.status === 'processed') for (const { key } of media.variants) keys.add(key);
  for (const store of [primary, secondary]) {
    if (store === undefined) continue;
    for await (const { key } of store.list(mediaPrefix(mediaId))) keys.add(key);
  }
  return keys;
}
