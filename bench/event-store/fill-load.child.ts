import { randomUUID } from 'node:crypto';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { eventData } from './workload.ts';

/** Fills a log for the read benchmark. Arguments: connection string, events. Prints how many were appended. */
const [url = '', events = '1'] = process.argv.slice(2);
const client = EventStoreDBClient.connectionString(url);
const BATCH = 200;
for (let appended = 0; appended < Number(events); appended += BATCH) {
  await client.appendToStream(
    `post-${randomUUID()}`,
    Array.from({ length: BATCH }, () => jsonEvent({ type: 'PostCreated', data: eventData() })),
  );
}
process.stdout.write(`${events}\n`, () => process.exit(0));
