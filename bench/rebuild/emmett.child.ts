import { randomUUID } from 'node:crypto';
import type { Event } from '@event-driven-io/emmett';
import {
  getPostgreSQLEventStore,
  postgreSQLRawBatchSQLProjection,
  rebuildPostgreSQLProjections,
} from '@event-driven-io/emmett-postgresql';
import pg from 'pg';

/**
 * Emmett's rebuild of one table from a log of one event type, one SQL statement for each of its batches. Arguments:
 * database, events. Prints JSON: seconds, the events that it ought to have handled, and those that are in its table.
 */
const [url = '', count = '0'] = process.argv.slice(2);
const EVENTS_PER_APPEND = 200;

type PostLiked = Event<'PostLiked', { postId: string; accountId: string }>;

const store = getPostgreSQLEventStore(url);
await store.schema.migrate();
let total = 0;
while (total < Number(count)) {
  const events = Array.from({ length: Math.min(EVENTS_PER_APPEND, Number(count) - total) }, (): PostLiked => ({
    type: 'PostLiked',
    data: { postId: `post_${randomUUID()}`, accountId: `acc_${randomUUID()}` },
  }));
  await store.appendToStream(`likes-${randomUUID()}`, events);
  total += events.length;
}
await store.close();

const quote = (text: string) => `'${text.replaceAll("'", "''")}'`;
const table = 'bench_like';
type Sql = Awaited<ReturnType<Parameters<typeof postgreSQLRawBatchSQLProjection<PostLiked>>[0]['evolve']>>[number];
const sql = (text: string) => text as Sql;
const projection = postgreSQLRawBatchSQLProjection<PostLiked>({
  name: `likes-${randomUUID()}`,
  canHandle: ['PostLiked'],
  init: () =>
    sql(`create table if not exists ${table} (post_id text, account_id text, primary key (post_id, account_id))`),
  evolve: (events) => [
    sql(
      `insert into ${table} (post_id, account_id) values ${events.map(({ data }) => `(${quote(data.postId)}, ${quote(data.accountId)})`).join(', ')} on conflict do nothing`,
    ),
  ],
});
const started = performance.now();
const consumer = rebuildPostgreSQLProjections({ connectionString: url, projection });
await consumer.start();
const seconds = (performance.now() - started) / 1_000;
await consumer.close();
const client = new pg.Client({ connectionString: url });
await client.connect();
const { rows } = await client.query<{ n: number }>(`select count(*)::int as n from ${table}`);
// Its own clean-up at the end of a process throws once the consumer is closed.
process.removeAllListeners();
process.stdout.write(`${JSON.stringify({ seconds, expected: total, found: rows[0]?.n ?? 0 })}\n`, () =>
  process.exit(0),
);
