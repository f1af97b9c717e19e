import type { DomainEvent, EventOfType } from '../../domain/event-log.ts';
import { hashtagsOf } from '../../domain/hashtag.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { Sql } from '../../infra/postgres.ts';
import { declaredOf } from './batch.ts';
import { untilErased } from './erasure.ts';
import { foldRows, writeFolded, type Folded } from './fold.ts';
import { lifecycleAfter, type PostStatus } from './post-lifecycle.ts';
import type { PostgresProjection } from '../projection.ts';
import { addToCounts, sumByKey, upsertRows } from './rows.ts';
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

/** Which published posts carry which hashtag, and how many. What is not published has no hashtags until it is. */
export const hashtags: PostgresProjection = untilErased({
  store: 'postgres',
  name: 'hashtags',
  version: 2,
  handles,
  ddl: (schema) => `
    create table ${schema}.tagged_post (
      post_id text collate "C" primary key,
      author_id text collate "C" not null,
      tags text[] collate "C" not null,
      status text collate "C" not null,
      published_at timestamptz
    );
    create index on ${schema}.tagged_post (author_id);
    create table ${schema}.post_hashtag (
      tag text collate "C" not null,
      post_id text collate "C" not null,
      author_id text collate "C" not null,
      published_at timestamptz not null,
      primary key (post_id, tag)
    );
    create index on ${schema}.post_hashtag (tag, published_at desc, post_id desc);
    create index on ${schema}.post_hashtag (published_at);
    create table ${schema}.hashtag (tag text collate "C" primary key, posts bigint not null, search_text text collate "C");
    ${trigramIndex(`${schema}.hashtag`, 'search_text')}`,
  apply,
  tables: [
    { table: 'tagged_post', key: ['post_id'], columns: ['author_id', 'tags', 'status', 'published_at'] },
    { table: 'post_hashtag', key: ['post_id', 'tag'], columns: ['author_id', 'published_at'] },
    { table: 'hashtag', key: ['tag'], columns: ['posts', 'search_text'] },
  ],
});

type TaggedPost = {
  post_id: string;
  author_id: string;
  tags: readonly string[];
  status: PostStatus;
  published_at: Date | null;
};
type PostEvent = Exclude<Handled, { type: 'AccountErased' }>;

async function apply(tx: Sql, schema: string, events: readonly DomainEvent[]): Promise<void> {
  const declared = declaredOf(handles, events);
  const aboutPosts = declared.filter((event) => event.type !== 'AccountErased');
  const folded = await foldRows<TaggedPost, PostEvent>(
    tx,
    { table: `${schema}.tagged_post`, key: 'post_id', keyOf: (event) => event.data.postId, step },
    aboutPosts,
  );
  await writeFolded(tx, { table: `${schema}.tagged_post`, key: ['post_id'] }, folded);
  await changeTags(
    tx,
    schema,
    folded.filter(({ before, after }) => shownTags(before).length + shownTags(after).length > 0),
  );
  await erase(
    tx,
    schema,
    declared.flatMap((event) => (event.type === 'AccountErased' ? event.data.accountId : [])),
  );
}

function step(row: TaggedPost | undefined, event: PostEvent): TaggedPost | undefined {
  if (event.type === 'PostCreated') return row ?? created(event);
  if (row === undefined || row.status === 'deleted') return row;
  switch (event.type) {
    case 'CaptionEdited':
      return { ...row, tags: tagsOf(event.data.caption) };
    case 'PostDeleted':
      return { ...row, ...lifecycleAfter(row, event), tags: [] };
    default:
      return { ...row, ...lifecycleAfter(row, event) };
  }
}

const created = ({ data }: EventOfType<'PostCreated'>): TaggedPost => ({
  post_id: data.postId,
  author_id: data.authorId,
  tags: tagsOf(data.caption),
  status: 'processing',
  published_at: null,
});

const tagsOf = (caption: string | null) =>
  caption === null ? [] : hashtagsOf(caption).slice(0, LIMITS.hashtagsPerPost);
const shownTags = (post: TaggedPost | undefined) => (post?.status === 'published' ? post.tags : []);

async function changeTags(tx: Sql, schema: string, folded: readonly Folded<TaggedPost>[]): Promise<void> {
  if (folded.length === 0) return;
  await tx.query(`delete from ${schema}.post_hashtag where post_id = any($1::text[])`, [
    folded.map(({ after }) => after.post_id),
  ]);
  const rows = folded.flatMap(({ after }) =>
    shownTags(after).map((tag) => ({
      tag,
      post_id: after.post_id,
      author_id: after.author_id,
      published_at: after.published_at,
    })),
  );
  await upsertRows(tx, { table: `${schema}.post_hashtag`, key: ['post_id', 'tag'] }, rows);
  const changes = sumByKey(
    folded.flatMap(({ before, after }) => [
      ...shownTags(before).map((tag) => [tag, -1] as const),
      ...shownTags(after).map((tag) => [tag, 1] as const),
    ]),
  );
  await addToCounts(tx, countsIn(schema), changes);
  await nameNewTags(
    tx,
    schema,
    [...changes].flatMap(([tag, delta]) => (delta > 0 ? [tag] : [])),
  );
}

// Counting makes the rows, and knows nothing of their texts.
async function nameNewTags(tx: Sql, schema: string, tags: readonly string[]): Promise<void> {
  if (tags.length === 0) return;
  await tx.query(
    `update ${schema}.hashtag h set search_text = n.search_text from unnest($1::text[], $2::text[]) n(tag, search_text) where h.tag = n.tag and h.search_text is null`,
    [tags, tags.map(searchable)],
  );
}

const countsIn = (schema: string) => ({ table: `${schema}.hashtag`, key: 'tag', count: 'posts' });

async function erase(tx: Sql, schema: string, authors: readonly string[]): Promise<void> {
  if (authors.length === 0) return;
  const { rows } = await tx.query<{ tag: string }>(
    `delete from ${schema}.post_hashtag where post_id in (select post_id from ${schema}.tagged_post where author_id = any($1::text[])) returning tag`,
    [authors],
  );
  await addToCounts(tx, countsIn(schema), sumByKey(rows.map(({ tag }) => [tag, -1] as const)));
  await tx.query(
    `update ${schema}.tagged_post set tags = '{}', status = 'deleted', published_at = null where author_id = any($1::text[])`,
    [authors],
  );
}
