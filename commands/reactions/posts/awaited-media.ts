import type { MediaId } from '../../../domain/ids.ts';
import { mediaDecider } from '../../../domain/media.ts';
import { streamOf } from '../../../domain/streams.ts';
import type { Sql } from '../../../infra/postgres.ts';
import { loadState, type Log } from '../../handle.ts';

/** Who waits for which media; each reaction has its own waiters. */
export const AWAITED_MEDIA_DDL = `
create table if not exists reactions.awaited_media (
  reaction text collate "C" not null,
  media_id text collate "C" not null,
  waiter text collate "C" not null,
  primary key (reaction, media_id, waiter)
);
create index if not exists awaited_media_waiter on reactions.awaited_media (reaction, waiter);`;

/** Notes that a post or a story waits for media. */
export async function awaitMedia(
  sql: Sql,
  reaction: string,
  waiter: string,
  mediaIds: readonly MediaId[],
): Promise<void> {
  await sql.query(
    'insert into reactions.awaited_media (reaction, waiter, media_id) select $1, $2, id from unnest($3::text[]) as id on conflict do nothing',
    [reaction, waiter, mediaIds],
  );
}

/** Who waits for a medium. */
export async function waitersFor(sql: Sql, reaction: string, mediaId: MediaId): Promise<string[]> {
  const { rows } = await sql.query<{ waiter: string }>(
    'select waiter from reactions.awaited_media where reaction = $1 and media_id = $2 order by waiter',
    [reaction, mediaId],
  );
  return rows.map(({ waiter }) => waiter);
}

/** Forgets a waiter. */
export async function stopWaiting(sql: Sql, reaction: string, waiter: string): Promise<void> {
  await sql.query('delete from reactions.awaited_media where reaction = $1 and waiter = $2', [reaction, waiter]);
}

export type MediaVerdict =
  | { readonly status: 'ready' }
  | { readonly status: 'waiting' }
  | { readonly status: 'rejected'; readonly reason: string };

/** Whether some media can all be shown now, some not yet, or one never: read off their streams. */
export async function judgeMedia(log: Log, mediaIds: readonly MediaId[]): Promise<MediaVerdict> {
  const states = await Promise.all(mediaIds.map((id) => loadState(log, mediaDecider, streamOf.media(id))));
  for (const state of states) {
    if (state.status === 'rejected') return { status: 'rejected', reason: state.reason };
    if (state.status === 'absent' || state.status === 'abandoned' || state.status === 'deleted')
      return { status: 'rejected', reason: 'media_deleted' };
  }
  return { status: states.every(({ status }) => status === 'processed') ? 'ready' : 'waiting' };
}
