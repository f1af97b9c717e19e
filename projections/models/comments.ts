import type { DomainEvent, EventOfType } from '../../domain/event-log.ts';
import type { AccountId, CommentId } from '../../domain/ids.ts';
import type { Sql } from '../../infra/postgres.ts';
import { declaredOf, unreachable } from './batch.ts';
import { untilErased } from './erasure.ts';
import { applyPairFacts, type PairFact, type PairTable } from './pairs.ts';
import type { PostgresProjection, ReadContext } from '../projection.ts';
import { addToCounts, countTable, sumByKey } from './rows.ts';
import { countFor } from './viewer-counts.ts';

const handles = [
  'CommentAdded',
  'CommentDeleted',
  'CommentLiked',
  'CommentUnliked',
  'PostDeleted',
  'AccountErased',
] as const;
type Handled = EventOfType<(typeof handles)[number]>;

/**
 * Comments, one level of replies, and their likes, with counts. A comment goes with its replies and likes: when it is
 * deleted, when its post is, or when whoever wrote it is erased. A count of comments counts replies too.
 */
export const comments: PostgresProjection = untilErased({
  store: 'postgres',
  name: 'comments',
  version: 2,
  handles,
  ddl: (schema) => `
    create table ${schema}.comment (
      comment_id text collate "C" primary key,
      post_id text collate "C" not null,
      account_id text collate "C" not null,
      parent_comment_id text collate "C",
      text text collate "C",
      replies bigint not null,
      created_at timestamptz not null
    );
    create index on ${schema}.comment (post_id, created_at desc, comment_id desc) where parent_comment_id is null;
    create index on ${schema}.comment (post_id, account_id);
    create index on ${schema}.comment (parent_comment_id, created_at, comment_id) where parent_comment_id is not null;
    create index on ${schema}.comment (account_id, created_at desc);
    ${countTable(countsIn(schema))}
    create table ${schema}.comment_like (
      comment_id text collate "C" not null,
      account_id text collate "C" not null,
      liked_at timestamptz not null,
      primary key (comment_id, account_id)
    );
    create index on ${schema}.comment_like (account_id);
    ${countTable(likeCountsIn(schema))}`,
  apply,
  tables: [
    {
      table: 'comment',
      key: ['comment_id'],
      columns: ['post_id', 'account_id', 'parent_comment_id', 'text', 'replies', 'created_at'],
    },
    { table: 'comment_count', key: ['post_id'], columns: ['comments'] },
    { table: 'comment_like', key: ['comment_id', 'account_id'], columns: ['liked_at'] },
    { table: 'comment_like_count', key: ['comment_id'], columns: ['likes'] },
  ],
});

/**
 * Set-based, with the same end as event by event: first goes what the batch removes from the tables, then comes what it
 * adds and does not remove again. A reply comes in only if its comment is there in the end: with it a reply goes
 * anyway.
 */
async function apply(tx: Sql, schema: string, events: readonly DomainEvent[]): Promise<void> {
  const declared = declaredOf(handles, events);
  const removed = await remove(tx, schema, declared);
  const added = await add(tx, schema, declared);
  await like(tx, schema, [
    ...removed.map((row) => ({ gone: row.comment_id, column: 'comment_id' })),
    ...likingFacts(declared, added),
  ]);
}

type Added = EventOfType<'CommentAdded'>;

/** The ids of the comments that are new, with their place in the batch. */
async function add(tx: Sql, schema: string, events: readonly Handled[]): Promise<Map<string, number>> {
  const begun = events.flatMap((event, at) => (event.type === 'CommentAdded' ? [{ event, at }] : []));
  if (begun.length === 0) return new Map();
  const goneAt = new Map(
    events.flatMap((event, at) => {
      const id = removedBy(event);
      return id === undefined ? [] : [[id, at] as const];
    }),
  );
  const stays = ({ event: { data }, at }: (typeof begun)[number]) =>
    [data.commentId, data.postId, data.accountId].every((id) => (goneAt.get(id) ?? -1) < at);
  const written = begun.filter(stays).map(({ event }) => event);
  const comments = await insert(
    tx,
    schema,
    written.filter((event) => event.data.parentCommentId === null),
  );
  const replies = await insert(
    tx,
    schema,
    written.filter((event) => event.data.parentCommentId !== null),
  );
  const isNew = new Set([...comments, ...replies].map((row) => row.comment_id));
  return new Map(
    begun.filter(({ event }) => isNew.has(event.data.commentId)).map(({ event, at }) => [event.data.commentId, at]),
  );
}

/** The comment, post or account with which comments go; the kinds of ids never meet. */
function removedBy(event: Handled): string | undefined {
  switch (event.type) {
    case 'CommentDeleted':
      return event.data.commentId;
    case 'PostDeleted':
      return event.data.postId;
    case 'AccountErased':
      return event.data.accountId;
    case 'CommentAdded':
    case 'CommentLiked':
    case 'CommentUnliked':
      return undefined;
    default:
      return unreachable(event);
  }
}

async function insert(tx: Sql, schema: string, events: readonly Added[]): Promise<Counted[]> {
  if (events.length === 0) return [];
  const { rows } = await tx.query<Counted>(
    `insert into ${schema}.comment (comment_id, post_id, account_id, parent_comment_id, text, replies, created_at)
     select n.comment_id, n.post_id, n.account_id, n.parent_id, n.text, 0, n.created_at
     from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) as n(comment_id, post_id, account_id, parent_id, text, created_at)
     where n.parent_id is null or exists (select from ${schema}.comment parent where parent.comment_id = n.parent_id)
     on conflict (comment_id) do nothing
     returning comment_id, post_id, parent_comment_id`,
    [
      events.map(({ data }) => data.commentId),
      events.map(({ data }) => data.postId),
      events.map(({ data }) => data.accountId),
      events.map(({ data }) => data.parentCommentId),
      events.map(({ data }) => data.text),
      events.map(({ meta }) => meta.occurredAt),
    ],
  );
  await count(tx, schema, rows, 1);
  return rows;
}

type Counted = { comment_id: string; post_id: string; parent_comment_id: string | null };

async function remove(tx: Sql, schema: string, events: readonly Handled[]): Promise<Counted[]> {
  const accounts = events.flatMap((event) => (event.type === 'AccountErased' ? event.data.accountId : []));
  const named = events.flatMap((event) => removedBy(event) ?? []);
  if (named.length === 0) return [];
  const { rows } = await tx.query<Counted>(
    `with named as (
       select comment_id from ${schema}.comment where comment_id = any($1::text[]) or post_id = any($2::text[]) or account_id = any($3::text[])
     )
     delete from ${schema}.comment where comment_id in (select comment_id from named) or parent_comment_id in (select comment_id from named)
     returning comment_id, post_id, parent_comment_id`,
    [
      events.flatMap((event) => (event.type === 'CommentDeleted' ? event.data.commentId : [])),
      events.flatMap((event) => (event.type === 'PostDeleted' ? event.data.postId : [])),
      accounts,
    ],
  );
  await count(tx, schema, rows, -1);
  return rows;
}

const countsIn = (schema: string) => ({ table: `${schema}.comment_count`, key: 'post_id', count: 'comments' });

async function count(tx: Sql, schema: string, changed: readonly Counted[], by: 1 | -1): Promise<void> {
  await addToCounts(tx, countsIn(schema), sumByKey(changed.map((row) => [row.post_id, by] as const)));
  const replies = [
    ...sumByKey(
      changed.flatMap((row) => (row.parent_comment_id === null ? [] : [[row.parent_comment_id, by] as const])),
    ),
  ];
  if (replies.length === 0) return;
  await tx.query(
    `update ${schema}.comment c set replies = c.replies + d.delta from unnest($1::text[], $2::bigint[]) as d(comment_id, delta) where c.comment_id = d.comment_id`,
    [replies.map(([parent]) => parent), replies.map(([, delta]) => delta)],
  );
}

const likeCountsIn = (schema: string) => ({ table: `${schema}.comment_like_count`, key: 'comment_id', count: 'likes' });
const likesIn = (schema: string): PairTable => ({
  table: `${schema}.comment_like`,
  columns: ['comment_id', 'account_id', 'liked_at'],
  counts: likeCountsIn(schema),
});

// A like of a comment that begins only later in the batch means nothing.
function likingFacts(events: readonly Handled[], addedAt: ReadonlyMap<string, number>): PairFact[] {
  return events.flatMap((event, at): PairFact[] => {
    if (event.type === 'AccountErased') return [{ gone: event.data.accountId, column: 'account_id' }];
    if (event.type !== 'CommentLiked' && event.type !== 'CommentUnliked') return [];
    const { commentId, accountId } = event.data;
    return (addedAt.get(commentId) ?? -1) < at
      ? [{ left: commentId, right: accountId, since: event.type === 'CommentLiked' ? event.meta.occurredAt : null }]
      : [];
  });
}

async function like(tx: Sql, schema: string, facts: readonly PairFact[]): Promise<void> {
  const liked = facts.flatMap((fact) => ('left' in fact ? fact.left : []));
  const { rows } =
    liked.length === 0
      ? { rows: [] }
      : await tx.query<{ comment_id: string }>(
          `select comment_id from ${schema}.comment where comment_id = any($1::text[])`,
          [liked],
        );
  const present = new Set(rows.map((row) => row.comment_id));
  await applyPairFacts(
    tx,
    likesIn(schema),
    facts.filter((fact) => 'gone' in fact || present.has(fact.left)),
  );
}

/** How many accounts like a comment, to a viewer. */
export async function commentLikeCount(
  { sql, builds }: ReadContext,
  viewer: AccountId,
  commentId: CommentId,
): Promise<number> {
  const { rows } = await sql.query<{ likes: string }>(`select ${countFor.commentLikes(builds, '$1', '$2')} as likes`, [
    viewer,
    commentId,
  ]);
  return Number(rows[0]?.likes ?? 0);
}
