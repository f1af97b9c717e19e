import type { DomainEvent, EventOfType } from '../../domain/event-log.ts';
import type { Sql } from '../../infra/postgres.ts';
import { declaredOf, unreachable } from './batch.ts';
import { untilErased } from './erasure.ts';
import { foldRows, writeFolded, type Folded } from './fold.ts';
import { locationIdOf } from './post-locations.ts';
import { lifecycleAfter, type PostStatus } from './post-lifecycle.ts';
import type { PostgresProjection } from '../projection.ts';
import { addToCounts, countTable, sumByKey, upsertRows } from './rows.ts';
import { searchable, trigramIndex } from './text-search.ts';

const handles = [
  'PostCreated',
  'PostPublished',
  'PostRejected',
  'CaptionEdited',
  'PostArchived',
  'PostUnarchived',
  'PostDeleted',
  'AccountErased',
] as const;
type Handled = EventOfType<(typeof handles)[number]>;

/**
 * Posts, their media in order, and how many each account has published. A deleted post keeps a row that says so,
 * without anything its author wrote; the erasure of an account deletes its posts in the same way. Other models drop
 * what hangs on a post (likes, saves, comments, hashtags) at the same event.
 */
export const posts: PostgresProjection = untilErased({
  store: 'postgres',
  name: 'posts',
  version: 3,
  handles,
  ddl: (schema) => `
    create table ${schema}.post (
      post_id text collate "C" primary key,
      author_id text collate "C" not null,
      caption text collate "C",
      filter text collate "C",
      location_name text collate "C",
      location_lat double precision,
      location_lng double precision,
      location_id text collate "C",
      location_search text collate "C",
      comments_disabled boolean not null,
      status text collate "C" not null,
      reason text collate "C",
      -- Where the post was published or rejected: its author's reads wait for it.
      settled_position text collate "C",
      created_at timestamptz not null,
      published_at timestamptz,
      -- When the author last rewrote the caption.
      edited_at timestamptz
    );
    create index on ${schema}.post (author_id, published_at desc, post_id desc) where status = 'published';
    create index on ${schema}.post (published_at desc, post_id desc) where status = 'published';
    create index on ${schema}.post (location_id, published_at desc, post_id desc) where status = 'published' and location_id is not null;
    create index on ${schema}.post (author_id, created_at desc) where status <> 'published';
    ${trigramIndex(`${schema}.post`, 'location_search')}
    create table ${schema}.post_media (
      post_id text collate "C" not null,
      ordinal int not null,
      media_id text collate "C" not null,
      alt_text text collate "C",
      primary key (post_id, ordinal)
    );
    create index on ${schema}.post_media (media_id);
    ${countTable(countsIn(schema))}`,
  apply,
  tables: [
    {
      table: 'post',
      key: ['post_id'],
      columns: [
        'author_id',
        'caption',
        'filter',
        'location_name',
        'location_lat',
        'location_lng',
        'location_id',
        'location_search',
        'comments_disabled',
        'status',
        'reason',
        'settled_position',
        'created_at',
        'published_at',
        'edited_at',
      ],
    },
    { table: 'post_media', key: ['post_id', 'ordinal'], columns: ['media_id', 'alt_text'] },
    { table: 'post_count', key: ['account_id'], columns: ['posts'] },
  ],
});

type PostRow = {
  post_id: string;
  author_id: string;
  caption: string | null;
  filter: string | null;
  location_name: string | null;
  location_lat: number | null;
  location_lng: number | null;
  location_id: string | null;
  location_search: string | null;
  comments_disabled: boolean;
  status: PostStatus;
  reason: string | null;
  settled_position: string | null;
  created_at: Date;
  published_at: Date | null;
  edited_at: Date | null;
};

/** What the next event of a post depends on; the other columns are only written. */
const STATE = ['post_id', 'author_id', 'status', 'published_at'] as const;
type PostState = Pick<PostRow, (typeof STATE)[number]>;
type PostChange = PostState & Partial<PostRow>;

type PostEvent = Exclude<Handled, { type: 'AccountErased' }>;

async function apply(tx: Sql, schema: string, events: readonly DomainEvent[]): Promise<void> {
  const declared = declaredOf(handles, events);
  const aboutPosts = declared.filter((event) => event.type !== 'AccountErased');
  const folded = await foldRows<PostChange, PostEvent>(
    tx,
    { table: `${schema}.post`, key: 'post_id', columns: STATE, keyOf: (event) => event.data.postId, step },
    aboutPosts,
  );
  await writeFolded(tx, { table: `${schema}.post`, key: ['post_id'] }, folded);
  await changeMedia(tx, schema, folded, aboutPosts);
  await addToCounts(
    tx,
    countsIn(schema),
    sumByKey(folded.map(({ before, after }) => [after.author_id, isPublished(after) - isPublished(before)] as const)),
  );
  await erase(
    tx,
    schema,
    declared.flatMap((event) => (event.type === 'AccountErased' ? event.data.accountId : [])),
  );
}

const countsIn = (schema: string) => ({ table: `${schema}.post_count`, key: 'account_id', count: 'posts' });
const isPublished = (row: PostState | undefined) => (row?.status === 'published' ? 1 : 0);

function step(row: PostChange | undefined, event: PostEvent): PostChange | undefined {
  if (event.type === 'PostCreated') return row ?? created(event);
  return row === undefined || row.status === 'deleted' ? row : { ...row, ...changeBy(row, event) };
}

function changeBy(row: PostState, event: Exclude<PostEvent, { type: 'PostCreated' }>): Partial<PostRow> {
  switch (event.type) {
    case 'CaptionEdited':
      return { caption: event.data.caption, edited_at: event.meta.occurredAt };
    case 'PostDeleted':
      return NOTHING_LEFT;
    case 'PostRejected':
      return { ...lifecycleAfter(row, event), reason: event.data.reason, settled_position: event.position };
    case 'PostPublished':
      return { ...lifecycleAfter(row, event), settled_position: event.position };
    case 'PostArchived':
    case 'PostUnarchived':
      return lifecycleAfter(row, event);
    default:
      return unreachable(event);
  }
}

/** What a deleted post says. */
const NOTHING_LEFT = {
  caption: null,
  filter: null,
  location_name: null,
  location_lat: null,
  location_lng: null,
  location_id: null,
  location_search: null,
  comments_disabled: false,
  status: 'deleted',
  reason: null,
  settled_position: null,
  published_at: null,
  edited_at: null,
} as const;

function created({ data, meta }: EventOfType<'PostCreated'>): PostRow {
  return {
    ...NOTHING_LEFT,
    post_id: data.postId,
    author_id: data.authorId,
    caption: data.caption,
    filter: data.filter,
    ...(data.location !== null && {
      location_name: data.location.name,
      location_lat: data.location.lat,
      location_lng: data.location.lng,
      location_id: locationIdOf(data.location),
      location_search: searchable(data.location.name),
    }),
    comments_disabled: data.commentsDisabled,
    status: 'processing',
    created_at: meta.occurredAt,
  };
}

async function changeMedia(
  tx: Sql,
  schema: string,
  folded: readonly Folded<PostChange>[],
  events: readonly PostEvent[],
): Promise<void> {
  const begun = new Set(
    folded
      .filter(({ before, after }) => before === undefined && after.status !== 'deleted')
      .map(({ after }) => after.post_id),
  );
  const media = events.flatMap((event) =>
    event.type === 'PostCreated' && begun.delete(event.data.postId) ? mediaOf(event) : [],
  );
  await upsertRows(tx, { table: `${schema}.post_media`, key: ['post_id', 'ordinal'] }, media);
  const gone = folded
    .filter(({ before, after }) => before !== undefined && after.status === 'deleted')
    .map(({ after }) => after.post_id);
  if (gone.length > 0) await tx.query(`delete from ${schema}.post_media where post_id = any($1::text[])`, [gone]);
}

const mediaOf = ({ data }: EventOfType<'PostCreated'>) =>
  data.mediaIds.map((mediaId, ordinal) => ({
    post_id: data.postId,
    ordinal,
    media_id: mediaId,
    alt_text: data.altTexts?.[mediaId] ?? null,
  }));

async function erase(tx: Sql, schema: string, authors: readonly string[]): Promise<void> {
  if (authors.length === 0) return;
  const cleared = Object.entries(NOTHING_LEFT)
    .map(([column, value]) => `${column} = ${value === null ? 'null' : `'${String(value)}'`}`)
    .join(', ');
  // Each statement finds its rows by the one of two partial indexes that it names.
  for (const which of [`status = 'published'`, `status <> 'published' and status <> 'deleted'`]) {
    await tx.query(`update ${schema}.post set ${cleared} where author_id = any($1::text[]) and ${which}`, [authors]);
  }
  await tx.query(
    `delete from ${schema}.post_media m using ${schema}.post p where p.post_id = m.post_id and p.author_id = any($1::text[]) and p.status <> 'published'`,
    [authors],
  );
  await tx.query(`delete from ${schema}.post_count where account_id = any($1::text[])`, [authors]);
}
