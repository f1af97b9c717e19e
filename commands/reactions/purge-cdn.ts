import { z } from 'zod';
import { MediaId } from '../../domain/ids.ts';
import { Position } from '../../domain/position.ts';
import type { Cdn } from '../../infra/cdn.ts';
import type { Pool, Sql } from '../../infra/postgres.ts';
import { mediaPrefix } from './media-objects.ts';
import type { Sweep } from './reaction.ts';

export type PurgeDeps = {
  readonly pool: Pool;
  readonly cdn: Cdn;
  /** Waits, bounded, until the models that say which files may be served have passed a position. */
  readonly passed: (position: Position) => Promise<'passed' | 'behind'>;
};

/** Purges that the models had not caught up with: a cache may have been given the files again, so each is due once more. */
export const OWED_PURGES_DDL = `
create table if not exists reactions.owed_purge (
  media_id text collate "C" primary key,
  position text collate "C" not null
);
create index if not exists owed_purge_position on reactions.owed_purge (position);`;

// A network takes a bounded number of paths at a time.
const PURGED_AT_ONCE = 1_000;
const LOOK_EVERY_MS = 10_000;
/** How long an event waits for the models between its two purges; the events behind it wait as well. */
export const PURGE_PATIENCE_MS = 1_000;

/**
 * Has caches forget media that an event at `position` made private or deleted. Once at once, and again when no read model
 * gives them out any more: whoever asked in between had a cache filled with what it had just forgotten. When the models
 * are behind for longer than one wait, the second purge is made all the same, and a third one is owed.
 */
export async function purgeForGood(deps: PurgeDeps, position: Position, mediaIds: readonly MediaId[]): Promise<void> {
  if (mediaIds.length === 0) return;
  await purge(deps.cdn, mediaIds);
  if (await deps.passed(position) === 'behind') await owePurge(deps.pool, position, mediaIds);
  await purge(deps.cdn, mediaIds);
}

/** Makes the purges that are owed, as soon as the models have passed the events behind them. */
export function sweepOwedPurges(deps: PurgeDeps): Sweep {
  return {
    name: 'owed-purges',
    everyMs: LOOK_EVERY_MS,
    sweep: async (_now, signal) => {
      let done = 0;
      while (!signal.aborted) {
        const owed = await owedPurges(deps.pool, PURGED_AT_ONCE);
        const last = owed.at(-1);
        if (last === undefined || await deps.passed(last.position) === 'behind') return done;
        await purge(deps.cdn, owed.map(({ mediaId }) => mediaId));
        await forgetOwed(deps.pool, owed);
        done += owed.length;
      }
      return done;
    },
  };
}

async function purge(cdn: Cdn, mediaIds: readonly MediaId[]): Promise<void> {
  const paths = mediaIds.map((mediaId) => `/media/${mediaPrefix(mediaId)}`);
  for (let start = 0; start < paths.length; start += PURGED_AT_ONCE) await cdn.purge(paths.slice(start, start + PURGED_AT_ONCE));
}

type OwedPurge = { readonly mediaId: MediaId; readonly position: Position };
const OwedRow = z.object({ media_id: MediaId, position: Position }).transform((row): OwedPurge => ({ mediaId: row.media_id, position: row.position }));

async function owePurge(sql: Sql, position: Position, mediaIds: readonly MediaId[]): Promise<void> {
  await sql.query(
    `insert into reactions.owed_purge (media_id, position) select id, $1 from unnest($2::text[]) as id
     on conflict (media_id) do update set position = greatest(owed_purge.position, excluded.position)`,
    [position, mediaIds],
  );
}

async function owedPurges(sql: Sql, limit: number): Promise<OwedPurge[]> {
  const { rows } = await sql.query<Record<string, unknown>>('select media_id, position from reactions.owed_purge order by position, media_id limit $1', [limit]);
  return rows.map((row) => OwedRow.parse(row));
}

// One that came anew meanwhile stays.
async function forgetOwed(sql: Sql, owed: readonly OwedPurge[]): Promise<void> {
  await sql.query(
    'delete from reactions.owed_purge o using unnest($1::text[], $2::text[]) as done (media_id, position) where o.media_id = done.media_id and o.position <= done.position',
    [owed.map(({ mediaId }) => mediaId), owed.map(({ position }) => position)],
  );
}
