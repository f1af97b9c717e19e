import type { DomainEvent, EventOfType } from '../domain/event-log.ts';
import type { Variant } from '../domain/media.ts';
import type { Sql } from '../infra/postgres.ts';
import { declaredOf, runsOf, unreachable } from './batch.ts';
import { foldRows, type Folded } from './fold.ts';
import type { PostgresProjection } from './projection.ts';
import { upsertRows } from './rows.ts';

const handles = ['UploadRequested', 'UploadCompleted', 'UploadAbandoned', 'MediaProcessed', 'MediaRejected', 'MediaDeleted', 'AccountErased'] as const;
type Handled = EventOfType<(typeof handles)[number]>;

/**
 * Uploaded files and the sizes that are served. What the camera wrote is never kept here. A deleted medium, and every
 * medium of an erased account, keeps a row without anything that leads to a file.
 */
export const media: PostgresProjection = {
  store: 'postgres',
  name: 'media',
  version: 1,
  handles,
  ddl: (schema) => `
    create table ${schema}.media (
      media_id text collate "C" primary key,
      owner_id text collate "C" not null,
      kind text collate "C" not null,
      status text collate "C" not null,
      reason text collate "C",
      width int,
      height int,
      duration_ms int,
      blurhash text collate "C",
      variants jsonb not null,
      -- The object store's key of each size, for answers; a subset of what variants say.
      keys jsonb not null,
      requested_at timestamptz not null
    );
    create index on ${schema}.media (owner_id);
    create table ${schema}.media_file (
      key text collate "C" primary key,
      media_id text collate "C" not null,
      name text collate "C" not null,
      content_type text collate "C" not null
    );
    create index on ${schema}.media_file (media_id, name);`,
  apply,
  tables: [
    {
      table: 'media',
      key: ['media_id'],
      columns: ['owner_id', 'kind', 'status', 'reason', 'width', 'height', 'duration_ms', 'blurhash', 'variants', 'keys', 'requested_at'],
    },
    { table: 'media_file', key: ['key'], columns: ['media_id', 'name', 'content_type'] },
  ],
};

type MediaRow = {
  media_id: string;
  owner_id: string;
  kind: 'image' | 'video';
  status: 'requested' | 'uploaded' | 'ready' | 'rejected' | 'abandoned' | 'deleted';
  reason: string | null;
  width: number | null;
  height: number | null;
  duration_ms: number | null;
  blurhash: string | null;
  variants: readonly Variant[];
  keys: MediaKeys;
  requested_at: Date;
};

/** The object store's key of each size. */
export type MediaKeys = { readonly [name in Variant['name']]?: string };

type MediaEvent = Exclude<Handled, { type: 'AccountErased' }>;

async function apply(tx: Sql, schema: string, events: readonly DomainEvent[]): Promise<void> {
  const table = `${schema}.media`;
  // An erasure touches rows that it does not name, so it may not be mixed with the changes around it.
  for (const run of runsOf(declaredOf(handles, events), (event) => (event.type === 'AccountErased' ? 'erased' : 'changed'))) {
    const changes = run.events.filter((event) => event.type !== 'AccountErased');
    const folded = await foldRows<MediaRow, MediaEvent>(tx, { table, key: 'media_id', keyOf: (event) => event.data.mediaId, step }, changes);
    await upsertRows(tx, { table, key: ['media_id'] }, folded.map(({ after }) => after));
    await changeFiles(tx, schema, folded);
    await erase(tx, schema, run.events.flatMap((event) => (event.type === 'AccountErased' ? event.data.accountId : [])));
  }
}

async function changeFiles(tx: Sql, schema: string, folded: readonly Folded<MediaRow>[]): Promise<void> {
  const changed = folded.filter(({ before }) => before !== undefined && before.variants.length > 0);
  if (changed.length > 0) await tx.query(`delete from ${schema}.media_file where media_id = any($1::text[])`, [changed.map(({ after }) => after.media_id)]);
  const files = folded.flatMap(({ after }) => after.variants.map(({ key, name, contentType }) => ({ key, media_id: after.media_id, name, content_type: contentType })));
  await upsertRows(tx, { table: `${schema}.media_file`, key: ['key'] }, [...new Map(files.map((file) => [file.key, file])).values()]);
}

async function erase(tx: Sql, schema: string, owners: readonly string[]): Promise<void> {
  if (owners.length === 0) return;
  await tx.query(`delete from ${schema}.media_file f using ${schema}.media m where m.media_id = f.media_id and m.owner_id = any($1::text[])`, [owners]);
  await tx.query(
    `update ${schema}.media set status = 'deleted', reason = null, width = null, height = null, duration_ms = null, blurhash = null, variants = '[]', keys = '{}'
     where owner_id = any($1::text[])`,
    [owners],
  );
}

function step(row: MediaRow | undefined, event: MediaEvent): MediaRow | undefined {
  if (event.type === 'UploadRequested') return row ?? requested(event);
  return row === undefined || row.status === 'deleted' ? row : { ...row, ...changeBy(event) };
}

function changeBy(event: Exclude<MediaEvent, { type: 'UploadRequested' }>): Partial<MediaRow> {
  switch (event.type) {
    case 'UploadCompleted': return { status: 'uploaded' };
    case 'UploadAbandoned': return { status: 'abandoned' };
    case 'MediaRejected': return { status: 'rejected', reason: event.data.reason };
    case 'MediaDeleted': return { ...NO_FILE, status: 'deleted' };
    case 'MediaProcessed': {
      const { width, height, durationMs, blurhash, variants } = event.data;
      return { status: 'ready', width, height, duration_ms: durationMs, blurhash, variants, keys: keysOf(variants) };
    }
    default: return unreachable(event);
  }
}

// Several representations of a size come in order of preference: the first is the one that addresses name.
const keysOf = (variants: readonly Variant[]): MediaKeys => Object.fromEntries(variants.map(({ name, key }) => [name, key] as const).toReversed());

const NO_FILE = { reason: null, width: null, height: null, duration_ms: null, blurhash: null, variants: [], keys: {} } as const;

const requested = ({ data, meta }: EventOfType<'UploadRequested'>): MediaRow => ({
  ...NO_FILE,
  media_id: data.mediaId,
  owner_id: data.ownerId,
  kind: data.kind,
  status: 'requested',
  requested_at: meta.occurredAt,
});
