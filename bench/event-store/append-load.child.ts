import { randomUUID } from 'node:crypto';
import { EventStoreDBClient, jsonEvent, NO_STREAM } from '@eventstore/db-client';
import { eventData, measureRate } from './workload.ts';

/**
 * Appends one event to a new stream at a time. Arguments: connection string, writers, seconds. Prints appends per
 * second.
 */
const [url = '', writers = '1', seconds = '1'] = process.argv.slice(2);
const client = EventStoreDBClient.connectionString(url);
const rate = await measureRate(Number(writers), Number(seconds), () =>
  client.appendToStream(`post-${randomUUID()}`, jsonEvent({ type: 'PostCreated', data: eventData() }), {
    expectedRevision: NO_STREAM,
  }),
);
process.stdout.write(`${rate}\n`, () => process.exit(0));
