import { z } from 'zod';
import { MediaId } from '../../../domain/ids.ts';
import { Position } from '../../../domain/position.ts';
import type { Cdn } from '../../../infra/object-store/cdn.ts';
import type { EventStore } from '../../../infra/event-store/event-store.ts';
import type { Pool, Sql } from '../../../infra/postgres.ts';
import type { Passage } from '../../../projections/builds/consistency.ts';
import { mediaPrefix } from './media-objects.ts';
import type { Sweep } from '../reaction.ts';

export type PurgeDeps = {
  readonly pool: Pool;
  readonly cdn: Cdn;
  readonly store: Pick<EventStore, 'storeId'>;
  /** Waits, bounded, until the models that say which files may be served have passed a position. */
  readonly passed: (position: Position) => Promise<Passage>;
};

export type OwedPurgeDeps = {
  readonly pool: Pool;
  readonly cdn: Cdn;
  readonly store: Pick<EventStore, 'storeId' | 'head'>;
  /**
   * Up to where the same models have passed the present log by now; undefined while one of them follows another log.
   */
  readonly reached: () => Promise<Position | undefined>;
};

/**
 * Purges that the models had not caught up with: a cache may have been given the files again, so each is due once more.
 */
export const OWED_PURGES_DDL = `
create table if not exists reactions.owed_purge (
  media_id text collate "C" primary key,
  position text collate "C" not null
);
-- The log that the position is of. None in rows from before the column: they are taken for those of another log.
alter table reactions.owed_purge add column if not exists store_id uuid;
create index if not exists owed_purge_position on reactions.owed_purge (position);`;

// A network takes a bounded number of paths at a time.
const PURGED_AT_ONCE = 1_000;
const LOOK_EVERY_MS = 10_000;
/** How long an event waits for the models between its two purges; the events behind it wait as well, once. */
export const PURGE_PATIENCE_MS = 1_000;

/**
 * Has caches forget media that an event at `position` made private or deleted. Once at once, and again when no read
 * model gives them out any more: whoever asked in between had a cache filled with what it had just forgotten. When the
 * models are behind for longer than one wait, or cannot be asked, the second one is owed. While any is owed nothing
 * waits: many events in a row would else hold up the reaction for one wait each.
 */
export async function purgeForGood(deps: PurgeDeps, position: Position, mediaIds: readonly MediaId[]): Promise<void> {
  if (mediaIds.length === 0) return;
  await purge(deps.cdn, mediaIds);
  const behind =
    (await isAnyOwed(deps.pool, deps.store.storeId)) ||
    (await deps.passed(position).catch(() => 'behind')) !== 'passed';
  if (behind) await owePurge(deps.pool, { storeId: deps.store.storeId, position }, mediaIds);
  else await purge(deps.cdn, mediaIds);
}

/**
 * Makes the purges that are owed, each as soon as the models have passed the event behind it. One that is owed since
 * another log comes when they have passed this log as far as it goes now.
 */
export function sweepOwedPurges(deps: OwedPurgeDeps): Sweep {
  return {
    name: 'owed-purges',
    everyMs: LOOK_EVERY_MS,
    sweep: async (_now, signal) => {
      const {
        pool,
        store: { storeId },
      } = deps;
      await takeOverOwed(pool, deps.store);
      const reached = (await isAnyOwed(pool, storeId)) ? await deps.reached() : undefined;
      if (reached === undefined) return 0;
      let done = 0;
      while (!signal.aborted) {
        const due = await duePurges(pool, { storeId, position: reached }, PURGED_AT_ONCE);
        if (due.length === 0) return done;
        await purge(
          deps.cdn,
          due.map(({ mediaId }) => mediaId),
        );
        await forgetOwed(pool, storeId, due);
        done += due.length;
      }
      return done;
    },
  };
}

async function purge(cdn: Cdn, mediaIds: readonly MediaId[]): Promise<void> {
  const paths = mediaIds.map((mediaId) => `/media/${mediaPrefix(mediaId)}`);
  for (let start = 0; start < paths.length; start += PURGED_AT_ONCE)
    await cdn.purge(paths.slice(start, start + PURGED_AT_ONCE));
}

type Place = { readonly storeId: string; readonly position: Position };
type OwedPurge = { readonly mediaId: MediaId; readonly position: Position };
const OwedRow = z
  .object({ media_id: MediaId, position: Position })
  .transform((row): OwedPurge => ({ mediaId: row.media_id, position: row.position }));

async function isAnyOwed(sql: Sql, storeId: string): Promise<boolean> {
  return (await sql.query('select 1 from reactions.owed_purge where store_id = $1 limit 1', [storeId])).rows.length > 0;
}

// Of two places in one log the later one counts; a place in another log says nothing beside one in this.
async function owePurge(sql: Sql, { storeId, position }: Place, mediaIds: readonly MediaId[]): Promise<void> {
  await sql.query(
    `insert into reactions.owed_purge (media_id, store_id, position) select id, $1, $2 from unnest($3::text[]) as id
     on conflict (media_id) do update set store_id = excluded.store_id,
       position = case when owed_purge.store_id = excluded.store_id then greatest(owed_purge.position, excluded.position) else excluded.position end`,
    [storeId, position, mediaIds],
  );
}

// Positions of different logs cannot be compared, and whatever the other one told stands in this one before its present
// end.
async function takeOverOwed(sql: Sql, store: OwedPurgeDeps['store']): Promise<void> {
  const { rows } = await sql.query('select 1 from reactions.owed_purge where store_id is distinct from $1 limit 1', [
    store.storeId,
  ]);
  if (rows.length === 0) return;
  await sql.query('update reactions.owed_purge set store_id = $1, position = $2 where store_id is distinct from $1', [
    store.storeId,
    await store.head(),
  ]);
}

async function duePurges(sql: Sql, { storeId, position }: Place, limit: number): Promise<OwedPurge[]> {
  const { rows } = await sql.query<Record<string, unknown>>(
    'select media_id, position from reactions.owed_purge where store_id = $1 and position <= $2 order by position, media_id limit $3',
    [storeId, position, limit],
  );
  return rows.map((row) => OwedRow.parse(row));
}

// One that came anew meanwhile stays.
async function forgetOwed(sql: Sql, storeId: string, owed: readonly OwedPurge[]): Promise<void> {
  await sql.query(
    `delete from reactions.owed_purge o using unnest($2::text[], $3::text[]) as done (media_id, position)
     where o.media_id = done.media_id and o.store_id = $1 and o.position <= done.position`,
    [storeId, owed.map(({ mediaId }) => mediaId), owed.map(({ position }) => position)],
  );
}
