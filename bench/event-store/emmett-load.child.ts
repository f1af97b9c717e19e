import { randomUUID } from 'node:crypto';
import { STREAM_DOES_NOT_EXIST } from '@event-driven-io/emmett';
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql';
import pg from 'pg';
import { eventData, measureRate } from './workload.ts';

/**
 * The same appends with Emmett on PostgreSQL, a connection for each writer. Arguments: database address, writers,
 * seconds.
 */
const [url = '', writers = '1', seconds = '1'] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: url, max: Number(writers) });
const store = getPostgreSQLEventStore(url, { connectionOptions: { pool, pooled: true } });
await store.schema.migrate();
const rate = await measureRate(Number(writers), Number(seconds), () =>
  store.appendToStream(`post-${randomUUID()}`, [{ type: 'PostCreated', data: eventData() }], {
    expectedStreamVersion: STREAM_DOES_NOT_EXIST,
  }),
);
process.stdout.write(`${rate}\n`, () => process.exit(0));
