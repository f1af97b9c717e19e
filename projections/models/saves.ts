import type { EventOfType } from '../../domain/event-log.ts';
import { declaredOf, unreachable } from './batch.ts';
import { untilErased } from './erasure.ts';
import { applyPairFacts, type PairFact, type PairTable } from './pairs.ts';
import type { PostgresProjection } from '../projection.ts';
import { countTable } from './rows.ts';

const handles = ['PostSaved', 'PostUnsaved', 'PostDeleted', 'AccountErased'] as const;
type Handled = EventOfType<(typeof handles)[number]>;

/**
 * Who keeps which post, and how many do. A deleted post leaves every collection; an erased account's collection goes.
 */
export const saves: PostgresProjection = untilErased({
  store: 'postgres',
  name: 'saves',
  version: 2,
  handles,
  ddl: (schema) => `
    create table ${schema}.post_save (
      post_id text collate "C" not null,
      account_id text collate "C" not null,
      saved_at timestamptz not null,
      primary key (post_id, account_id)
    );
    create index on ${schema}.post_save (account_id, saved_at desc, post_id desc);
    ${countTable(countsIn(schema))}`,
  apply: (tx, schema, events) => applyPairFacts(tx, tableIn(schema), declaredOf(handles, events).map(factOf)),
  tables: [
    { table: 'post_save', key: ['post_id', 'account_id'], columns: ['saved_at'] },
    { table: 'save_count', key: ['post_id'], columns: ['saves'] },
  ],
});

const countsIn = (schema: string) => ({ table: `${schema}.save_count`, key: 'post_id', count: 'saves' });
const tableIn = (schema: string): PairTable => ({
  table: `${schema}.post_save`,
  columns: ['post_id', 'account_id', 'saved_at'],
  counts: countsIn(schema),
});

function factOf(event: Handled): PairFact {
  switch (event.type) {
    case 'PostSaved':
      return { left: event.data.postId, right: event.data.accountId, since: event.meta.occurredAt };
    case 'PostUnsaved':
      return { left: event.data.postId, right: event.data.accountId, since: null };
    case 'PostDeleted':
      return { gone: event.data.postId, column: 'post_id' };
    case 'AccountErased':
      return { gone: event.data.accountId, column: 'account_id' };
    default:
      return unreachable(event);
  }
}
