import type { EventOfType } from '../../domain/event-log.ts';
import type { AccountId, PostId } from '../../domain/ids.ts';
import { declaredOf, unreachable } from './batch.ts';
import { untilErased } from './erasure.ts';
import { applyPairFacts, type PairFact, type PairTable } from './pairs.ts';
import type { PostgresProjection, ReadContext } from '../projection.ts';
import { countTable } from './rows.ts';
import { countFor } from './viewer-counts.ts';

const handles = ['PostLiked', 'PostUnliked', 'PostDeleted', 'AccountErased'] as const;
type Handled = EventOfType<(typeof handles)[number]>;

/** Who likes which post, and how many. A deleted post loses its likes; an erased account takes back those it gave. */
export const likes: PostgresProjection = untilErased({
  store: 'postgres',
  name: 'likes',
  version: 2,
  handles,
  ddl: (schema) => `
    create table ${schema}.post_like (
      post_id text collate "C" not null,
      account_id text collate "C" not null,
      liked_at timestamptz not null,
      primary key (post_id, account_id)
    );
    create index on ${schema}.post_like (post_id, liked_at desc, account_id desc);
    create index on ${schema}.post_like (account_id, liked_at desc);
    ${countTable(countsIn(schema))}`,
  apply: (tx, schema, events) => applyPairFacts(tx, tableIn(schema), declaredOf(handles, events).map(factOf)),
  tables: [
    { table: 'post_like', key: ['post_id', 'account_id'], columns: ['liked_at'] },
    { table: 'like_count', key: ['post_id'], columns: ['likes'] },
  ],
});

const countsIn = (schema: string) => ({ table: `${schema}.like_count`, key: 'post_id', count: 'likes' });
const tableIn = (schema: string): PairTable => ({
  table: `${schema}.post_like`,
  columns: ['post_id', 'account_id', 'liked_at'],
  counts: countsIn(schema),
});

function factOf(event: Handled): PairFact {
  switch (event.type) {
    case 'PostLiked':
      return { left: event.data.postId, right: event.data.accountId, since: event.meta.occurredAt };
    case 'PostUnliked':
      return { left: event.data.postId, right: event.data.accountId, since: null };
    case 'PostDeleted':
      return { gone: event.data.postId, column: 'post_id' };
    case 'AccountErased':
      return { gone: event.data.accountId, column: 'account_id' };
    default:
      return unreachable(event);
  }
}

/** How many accounts like a post, to a viewer. */
export async function likeCount({ sql, builds }: ReadContext, viewer: AccountId, postId: PostId): Promise<number> {
  const { rows } = await sql.query<{ likes: string }>(`select ${countFor.likes(builds, '$1', '$2')} as likes`, [
    viewer,
    postId,
  ]);
  return Number(rows[0]?.likes ?? 0);
}
