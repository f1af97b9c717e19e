import type { Position } from '../domain/position.ts';
import type { RecordedEvent } from '../domain/recorded-event.ts';
import type { Log } from '../infra/log.ts';
import type { Pool, Sql } from '../infra/postgres.ts';
import type { Fed } from './apply-batch.ts';

/** Events between two marks; a replay in parallel reads about this many at a time. */
export const MARK_EVERY = 5_000;

export type LogMark = { readonly events: number; readonly position: Position };

/** The marks of a log, in order. */
export async function readMarks(sql: Sql, storeId: string): Promise<LogMark[]> {
  const { rows } = await sql.query<{ events: string; position: Position }>('select events, position from projections.log_mark where store_id = $1 order by events', [storeId]);
  return rows.map(({ events, position }) => ({ events: Number(events), position }));
}

/**
 * Notes the position of every MARK_EVERYth event of the log when a group that a feed has just handled passes it. Marks
 * only speed up later replays, so one that cannot be written is left out.
 */
export function markLog(deps: { readonly pool: Pool; readonly log: Log; readonly store: { readonly storeId: string } }, feed: { readonly members: ReadonlyMap<number, Fed>; readonly claimed: Position }, group: readonly RecordedEvent[]): void {
  // A build that stands exactly at the end of the group knows how many events lie before it.
  const counted = [...feed.members.values()].find(({ position }) => position === feed.claimed);
  if (counted === undefined) return;
  const before = counted.events - group.length;
  const marks = group.flatMap(({ position }, index) => ((before + index + 1) % MARK_EVERY === 0 ? [{ events: before + index + 1, position }] : []));
  if (marks.length === 0) return;
  deps.pool.query(
    'insert into projections.log_mark (store_id, events, position) select $1, * from unnest($2::bigint[], $3::text[]) on conflict do nothing',
    [deps.store.storeId, marks.map(({ events }) => events), marks.map(({ position }) => position)],
  ).catch((error: unknown) => { deps.log.debug({ err: error }, 'a log mark was left out'); });
}
