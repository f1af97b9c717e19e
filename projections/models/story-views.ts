import type { EventOfType } from '../../domain/event-log.ts';
import type { AccountId, StoryId } from '../../domain/ids.ts';
import { declaredOf, unreachable } from './batch.ts';
import { untilErased } from './erasure.ts';
import { applyPairFacts, type PairFact, type PairTable } from './pairs.ts';
import type { PostgresProjection, ReadContext } from '../projection.ts';
import { countTable } from './rows.ts';
import { countFor } from './viewer-counts.ts';

const handles = ['StoryViewed', 'StoryDeleted', 'AccountErased'] as const;
type Handled = EventOfType<(typeof handles)[number]>;

/**
 * Who saw which story, and how many did. A deleted story loses its viewers; an erased account is no viewer any more.
 */
export const storyViews: PostgresProjection = untilErased({
  store: 'postgres',
  name: 'story-views',
  version: 2,
  handles,
  ddl: (schema) => `
    create table ${schema}.story_view (
      story_id text collate "C" not null,
      account_id text collate "C" not null,
      viewed_at timestamptz not null,
      primary key (story_id, account_id)
    );
    create index on ${schema}.story_view (story_id, viewed_at desc, account_id desc);
    create index on ${schema}.story_view (account_id);
    ${countTable(countsIn(schema))}`,
  apply: (tx, schema, events) => applyPairFacts(tx, tableIn(schema), declaredOf(handles, events).map(factOf)),
  tables: [
    { table: 'story_view', key: ['story_id', 'account_id'], columns: ['viewed_at'] },
    { table: 'story_view_count', key: ['story_id'], columns: ['views'] },
  ],
});

const countsIn = (schema: string) => ({ table: `${schema}.story_view_count`, key: 'story_id', count: 'views' });
const tableIn = (schema: string): PairTable => ({
  table: `${schema}.story_view`,
  columns: ['story_id', 'account_id', 'viewed_at'],
  counts: countsIn(schema),
});

function factOf(event: Handled): PairFact {
  switch (event.type) {
    case 'StoryViewed':
      return { left: event.data.storyId, right: event.data.accountId, since: event.meta.occurredAt };
    case 'StoryDeleted':
      return { gone: event.data.storyId, column: 'story_id' };
    case 'AccountErased':
      return { gone: event.data.accountId, column: 'account_id' };
    default:
      return unreachable(event);
  }
}

/** How many accounts saw a story, to a viewer. */
export async function storyViewCount(
  { sql, builds }: ReadContext,
  viewer: AccountId,
  storyId: StoryId,
): Promise<number> {
  const { rows } = await sql.query<{ views: string }>(`select ${countFor.storyViews(builds, '$1', '$2')} as views`, [
    viewer,
    storyId,
  ]);
  return Number(rows[0]?.views ?? 0);
}
