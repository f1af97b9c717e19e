import type { DomainEvent, EventOfType } from '../../domain/event-log.ts';
import type { Variant } from '../../domain/media-file.ts';
import type { Sql } from '../../infra/postgres.ts';
import { declaredOf, runsOf, unreachable } from './batch.ts';
import { untilErased } from './erasure.ts';
import { foldRows, writeFolded } from './fold.ts';
import type { PostgresProjection } from '../projection.ts';

const handles = [
  'UploadRequested',
  'UploadCompleted',
  'MediaDerived',
  'UploadAbandoned',
  'MediaProcessed',
  'MediaFormatMade',
  'MediaRejected',
  'MediaDeleted',
  'AccountErased',
] as const;
type Handled = EventOfType<(typeof handles)[number]>;

/**
 * Uploaded files and the sizes that are served. What the camera wrote is never kept here. A deleted medium, and every
 * medium of an erased account, keeps a row without anything that leads to a file.
 */
export const media: PostgresProjection = untilErased({
  store: 'postgres',
  name: 'media',
  version: 4,
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
      -- Of a video: the key of its first playlist, beside which all its files lie.
      playlist text collate "C",
      requested_at timestamptz not null
    );
    create index on ${schema}.media (owner_id);`,
  apply,
  tables: [
    {
      table: 'media',
      key: ['media_id'],
      columns: [
        'owner_id',
        'kind',
        'status',
        'reason',
        'width',
        'height',
        'duration_ms',
        'blurhash',
        'variants',
        'keys',
        'playlist',
        'requested_at',
      ],
    },
  ],
});

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
  variants: readonly ServedVariant[];
  keys: MediaKeys;
  playlist: string | null;
  requested_at: Date;
};

/** What readers need to know of a variant. */
export type ServedVariant = Pick<Variant, 'name' | 'key' | 'contentType' | 'width' | 'height'>;

/** The object store's key of each size. */
export type MediaKeys = { readonly [name in Variant['name']]?: string };

type MediaEvent = Exclude<Handled, { type: 'AccountErased' }>;

async function apply(tx: Sql, schema: string, events: readonly DomainEvent[]): Promise<void> {
  const table = `${schema}.media`;
  // An erasure touches rows that it does not name, so it may not be mixed with the changes around it.
  for (const run of runsOf(declaredOf(handles, events), (event) =>
    event.type === 'AccountErased' ? 'erased' : 'changed',
  )) {
    const changes = run.events.filter((event) => event.type !== 'AccountErased');
    const folded = await foldRows<MediaRow, MediaEvent>(
      tx,
      { table, key: 'media_id', keyOf: (event) => event.data.mediaId, step },
      changes,
    );
    await writeFolded(tx, { table, key: ['media_id'] }, folded);
    await erase(
      tx,
      table,
      run.events.flatMap((event) => (event.type === 'AccountErased' ? event.data.accountId : [])),
    );
  }
}

async function erase(tx: Sql, table: string, owners: readonly string[]): Promise<void> {
  if (owners.length === 0) return;
  await tx.query(
    `update ${table} set status = 'deleted', reason = null, width = null, height = null, duration_ms = null, blurhash = null, variants = '[]', keys = '{}', playlist = null
     where owner_id = any($1::text[])`,
    [owners],
  );
}

function step(row: MediaRow | undefined, event: MediaEvent): MediaRow | undefined {
  if (event.type === 'UploadRequested') return row ?? began(event, 'requested');
  if (event.type === 'MediaDerived') return row ?? began(event, 'uploaded');
  return row === undefined || row.status === 'deleted' ? row : { ...row, ...changeBy(event, row) };
}

function changeBy(
  event: Exclude<MediaEvent, { type: 'UploadRequested' | 'MediaDerived' }>,
  row: MediaRow,
): Partial<MediaRow> {
  switch (event.type) {
    case 'UploadCompleted':
      return { status: 'uploaded' };
    case 'UploadAbandoned':
      return { status: 'abandoned' };
    case 'MediaFormatMade':
      return {
        variants: [...row.variants, ...event.data.variants.map(served)],
        keys: { ...keysOf(event.data.variants), ...row.keys },
      };
    case 'MediaRejected':
      return { status: 'rejected', reason: event.data.reason };
    case 'MediaDeleted':
      return { ...NO_FILE, status: 'deleted' };
    case 'MediaProcessed': {
      const { width, height, durationMs, blurhash, variants, streams } = event.data;
      return {
        status: 'ready',
        width,
        height,
        duration_ms: durationMs,
        blurhash,
        variants: variants.map(served),
        keys: keysOf(variants),
        playlist: streams?.playlist ?? null,
      };
    }
    default:
      return unreachable(event);
  }
}

const served = ({ name, key, contentType, width, height }: Variant): ServedVariant => ({
  name,
  key,
  contentType,
  width,
  height,
});

// Several representations of a size come in order of preference: the first is the one that addresses name.
const keysOf = (variants: readonly Variant[]): MediaKeys =>
  Object.fromEntries(variants.map(({ name, key }) => [name, key] as const).toReversed());

const NO_FILE = {
  reason: null,
  width: null,
  height: null,
  duration_ms: null,
  blurhash: null,
  variants: [],
  keys: {},
  playlist: null,
} as const;

const began = (
  { data, meta }: EventOfType<'UploadRequested' | 'MediaDerived'>,
  status: 'requested' | 'uploaded',
): MediaRow => ({
  ...NO_FILE,
  media_id: data.mediaId,
  owner_id: data.ownerId,
  kind: data.kind,
  status,
  requested_at: meta.occurredAt,
});
