import type { DomainEvent, EventOfType } from '../../domain/event-log.ts';
import type { Sql } from '../../infra/postgres.ts';
import { declaredOf, runsOf, unreachable } from './batch.ts';
import { untilErased } from './erasure.ts';
import { foldRows, writeFolded } from './fold.ts';
import type { PostgresProjection } from '../projection.ts';

const handles = ['StoryPosted', 'StoryPublished', 'StoryRejected', 'StoryDeleted', 'AccountErased'] as const;
type Handled = EventOfType<(typeof handles)[number]>;

/**
 * Stories with the time they expire at (readers compare it with the clock). An erased account's stories are deleted.
 */
export const stories: PostgresProjection = untilErased({
  store: 'postgres',
  name: 'stories',
  version: 2,
  handles,
  ddl: (schema) => `
    create table ${schema}.story (
      story_id text collate "C" primary key,
      author_id text collate "C" not null,
      media_id text collate "C" not null,
      duration_ms int not null,
      audience text collate "C" not null,
      status text collate "C" not null,
      reason text collate "C",
      posted_at timestamptz not null,
      published_at timestamptz,
      expires_at timestamptz
    );
    create index on ${schema}.story (author_id, published_at desc, story_id desc) where status = 'published';
    create index on ${schema}.story (expires_at) where status = 'published';
    create index on ${schema}.story (author_id, posted_at desc);
    create index on ${schema}.story (media_id);`,
  apply,
  tables: [
    {
      table: 'story',
      key: ['story_id'],
      columns: [
        'author_id',
        'media_id',
        'duration_ms',
        'audience',
        'status',
        'reason',
        'posted_at',
        'published_at',
        'expires_at',
      ],
    },
  ],
});

type StoryRow = {
  story_id: string;
  author_id: string;
  media_id: string;
  duration_ms: number;
  audience: 'all' | 'close_friends';
  status: 'processing' | 'published' | 'rejected' | 'deleted';
  reason: string | null;
  posted_at: Date;
  published_at: Date | null;
  expires_at: Date | null;
};

type StoryEvent = Exclude<Handled, { type: 'AccountErased' }>;

async function apply(tx: Sql, schema: string, events: readonly DomainEvent[]): Promise<void> {
  const table = `${schema}.story`;
  // An erasure touches rows that it does not name, so it may not be mixed with the changes around it.
  for (const run of runsOf(declaredOf(handles, events), (event) =>
    event.type === 'AccountErased' ? 'erased' : 'changed',
  )) {
    const changes = run.events.filter((event) => event.type !== 'AccountErased');
    const folded = await foldRows<StoryRow, StoryEvent>(
      tx,
      { table, key: 'story_id', keyOf: (event) => event.data.storyId, step },
      changes,
    );
    await writeFolded(tx, { table, key: ['story_id'] }, folded);
    await erase(
      tx,
      table,
      run.events.flatMap((event) => (event.type === 'AccountErased' ? event.data.accountId : [])),
    );
  }
}

async function erase(tx: Sql, table: string, authors: readonly string[]): Promise<void> {
  if (authors.length === 0) return;
  await tx.query(`update ${table} set status = 'deleted', reason = null where author_id = any($1::text[])`, [authors]);
}

function step(row: StoryRow | undefined, event: StoryEvent): StoryRow | undefined {
  if (event.type === 'StoryPosted') return row ?? posted(event);
  return row === undefined || row.status === 'deleted' ? row : { ...row, ...changeBy(event) };
}

function changeBy(event: Exclude<StoryEvent, { type: 'StoryPosted' }>): Partial<StoryRow> {
  switch (event.type) {
    case 'StoryPublished':
      return {
        status: 'published',
        audience: event.data.audience,
        published_at: new Date(event.data.publishedAt),
        expires_at: new Date(event.data.expiresAt),
      };
    case 'StoryRejected':
      return { status: 'rejected', reason: event.data.reason };
    case 'StoryDeleted':
      return { status: 'deleted', reason: null };
    default:
      return unreachable(event);
  }
}

const posted = ({ data, meta }: EventOfType<'StoryPosted'>): StoryRow => ({
  story_id: data.storyId,
  author_id: data.authorId,
  media_id: data.mediaId,
  duration_ms: data.durationMs,
  audience: data.audience,
  status: 'processing',
  reason: null,
  posted_at: meta.occurredAt,
  published_at: null,
  expires_at: null,
});
