import { z } from 'zod';
import { MediaId, type AccountId } from '../../../domain/ids.ts';
import type { Sql } from '../../../infra/postgres.ts';

/**
 * Which files there are, who owns them and what shows them: kept so that a file which nothing shows any more can go.
 */
export const MEDIA_FILES_DDL = `
create table if not exists reactions.media_file (
  media_id text collate "C" primary key,
  owner_id text collate "C" not null,
  -- null: the file is another medium's, this one has only the sizes made of it.
  upload_key text,
  upload_expires_at timestamptz,
  deleted_at timestamptz
);
create index if not exists media_file_owner on reactions.media_file (owner_id);
create index if not exists media_file_open on reactions.media_file (upload_expires_at) where upload_expires_at is not null;
create index if not exists media_file_deleted on reactions.media_file (deleted_at) where deleted_at is not null;
create table if not exists reactions.media_use (
  media_id text collate "C" not null,
  used_by text collate "C" not null,
  until timestamptz,
  primary key (media_id, used_by)
);
create index if not exists media_use_user on reactions.media_use (used_by);
create index if not exists media_use_until on reactions.media_use (until) where until is not null;
do $$ begin
  if not exists (select from information_schema.columns where table_schema = 'reactions' and table_name = 'media_file' and column_name = 'unused_since') then
    -- Since when a file is there that nothing has shown yet. What is found so at the upgrade begins then.
    alter table reactions.media_file add column unused_since timestamptz;
    update reactions.media_file f set unused_since = now()
    where upload_expires_at is null and deleted_at is null and not exists (select from reactions.media_use u where u.media_id = f.media_id);
  end if;
end $$;
create index if not exists media_file_unused on reactions.media_file (unused_since) where unused_since is not null;
-- Where a sweep that takes several rounds goes on.
create table if not exists reactions.sweep_place (sweep text collate "C" primary key, place text collate "C" not null);`;

export type MediaFile = { readonly mediaId: MediaId; readonly uploadKey: string | null };

const FileRow = z
  .object({ media_id: MediaId, upload_key: z.string().nullable() })
  .transform((row): MediaFile => ({ mediaId: row.media_id, uploadKey: row.upload_key }));
const IdRow = z.object({ media_id: MediaId }).transform((row) => row.media_id);

/** Notes a promised upload. */
export async function noteUpload(sql: Sql, file: MediaFile & { ownerId: AccountId; expiresAt: string }): Promise<void> {
  await sql.query(
    'insert into reactions.media_file (media_id, owner_id, upload_key, upload_expires_at) values ($1, $2, $3, $4) on conflict do nothing',
    [file.mediaId, file.ownerId, file.uploadKey, file.expiresAt],
  );
}

/** Notes a medium that is made of another one's file, and since when. */
export async function noteDerived(
  sql: Sql,
  { mediaId, ownerId }: { mediaId: MediaId; ownerId: AccountId },
  at: Date,
): Promise<void> {
  await sql.query(
    'insert into reactions.media_file (media_id, owner_id, unused_since) values ($1, $2, $3) on conflict do nothing',
    [mediaId, ownerId, at],
  );
}

/** Notes that an upload is no longer awaited: it is there, and waits to be used. */
export async function noteArrival(sql: Sql, mediaId: MediaId, at: Date): Promise<void> {
  await sql.query(
    `update reactions.media_file f set upload_expires_at = null,
       unused_since = case when deleted_at is null and not exists (select from reactions.media_use u where u.media_id = f.media_id) then coalesce(unused_since, $2) end
     where media_id = $1`,
    [mediaId, at],
  );
}

/** Notes since when a file is deleted. */
export async function noteDeletion(sql: Sql, mediaId: MediaId, at: Date): Promise<void> {
  await sql.query(
    'update reactions.media_file set deleted_at = coalesce(deleted_at, $2), unused_since = null where media_id = $1',
    [mediaId, at],
  );
}

/** Forgets a file for good. */
export async function forgetFile(sql: Sql, mediaId: MediaId): Promise<void> {
  await sql.query('delete from reactions.media_file where media_id = $1', [mediaId]);
}

/** Notes that a post, a story or a profile shows media. */
export async function useMedia(sql: Sql, usedBy: string, mediaIds: readonly MediaId[]): Promise<void> {
  await sql.query(
    `with used as (update reactions.media_file set unused_since = null where media_id = any($2::text[]))
     insert into reactions.media_use (used_by, media_id) select $1, id from unnest($2::text[]) as id on conflict do nothing`,
    [usedBy, mediaIds],
  );
}

/** Notes until when something shows its media. */
export async function useMediaUntil(sql: Sql, usedBy: string, until: string): Promise<void> {
  await sql.query('update reactions.media_use set until = $2 where used_by = $1', [usedBy, until]);
}

/** Which media something shows. */
export async function mediaUsedBy(sql: Sql, usedBy: string): Promise<MediaId[]> {
  const { rows } = await sql.query<Record<string, unknown>>(
    'select media_id from reactions.media_use where used_by = $1 order by media_id',
    [usedBy],
  );
  return rows.map((row) => IdRow.parse(row));
}

/** Notes that something no longer shows some media. */
export async function endUse(sql: Sql, usedBy: string, mediaIds: readonly MediaId[]): Promise<void> {
  await sql.query('delete from reactions.media_use where used_by = $1 and media_id = any($2::text[])', [
    usedBy,
    mediaIds,
  ]);
}

/** Those of some media that only `usedBy` shows. */
export async function usedByNobodyElse(sql: Sql, usedBy: string, mediaIds: readonly MediaId[]): Promise<MediaId[]> {
  const { rows } = await sql.query<Record<string, unknown>>(
    'select id as media_id from unnest($2::text[]) as id where not exists (select from reactions.media_use u where u.media_id = id and u.used_by <> $1) order by id',
    [usedBy, mediaIds],
  );
  return rows.map((row) => IdRow.parse(row));
}

/** All files of an account that are not deleted. */
export async function filesOf(sql: Sql, ownerId: AccountId): Promise<MediaId[]> {
  const { rows } = await sql.query<Record<string, unknown>>(
    'select media_id from reactions.media_file where owner_id = $1 and deleted_at is null order by media_id',
    [ownerId],
  );
  return rows.map((row) => IdRow.parse(row));
}

/** Uploads whose time ran out before `before`, at most `limit`. */
export async function overdueUploads(sql: Sql, before: Date, limit: number): Promise<MediaFile[]> {
  const { rows } = await sql.query<Record<string, unknown>>(
    'select * from reactions.media_file where upload_expires_at < $1 order by upload_expires_at, media_id limit $2',
    [before, limit],
  );
  return rows.map((row) => FileRow.parse(row));
}

/** Files that nothing has shown since they came before `before`, at most `limit`. */
export async function unusedFiles(sql: Sql, before: Date, limit: number): Promise<MediaFile[]> {
  const { rows } = await sql.query<Record<string, unknown>>(
    'select * from reactions.media_file where unused_since < $1 order by unused_since, media_id limit $2',
    [before, limit],
  );
  return rows.map((row) => FileRow.parse(row));
}

/** Those of some media of which there is a note: they are in use, or their own sweep removes them. */
export async function notedFiles(sql: Sql, mediaIds: readonly MediaId[]): Promise<Set<MediaId>> {
  const { rows } = await sql.query<Record<string, unknown>>(
    'select media_id from reactions.media_file where media_id = any($1::text[])',
    [mediaIds],
  );
  return new Set(rows.map((row) => IdRow.parse(row)));
}

/** What showed its media only until before `before`, at most `limit`. */
export async function runOut(sql: Sql, before: Date, limit: number): Promise<string[]> {
  const { rows } = await sql.query<{ used_by: string }>(
    'select distinct used_by from reactions.media_use where until < $1 order by used_by limit $2',
    [before, limit],
  );
  return rows.map((row) => row.used_by);
}

/** Files deleted before `before`, at most `limit`. */
export async function deletedFiles(sql: Sql, before: Date, limit: number): Promise<MediaFile[]> {
  const { rows } = await sql.query<Record<string, unknown>>(
    'select * from reactions.media_file where deleted_at < $1 order by deleted_at, media_id limit $2',
    [before, limit],
  );
  return rows.map((row) => FileRow.parse(row));
}
