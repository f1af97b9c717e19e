import { randomUUID } from 'node:crypto';
import { ANY, EventStoreDBClient, jsonEvent, NO_STREAM } from '@eventstore/db-client';

/**
 * Appends batches with the official client until the node goes away, and writes one line for each acknowledged batch:
 * its id, stream, last revision and position. Arguments: connection string, number of writers.
 */
const [url = '', writers = '1'] = process.argv.slice(2);
const client = EventStoreDBClient.connectionString(url);
const LARGEST_BATCH = 5;

// A node that is killed ends this process: every acknowledged batch is already written down.
process.on('uncaughtException', () => process.exit(0));

await untilReachable();
await Promise.all(Array.from({ length: Number(writers) }, (_, writer) => write(writer).catch(() => undefined)));
process.exit(0);

async function untilReachable(): Promise<void> {
  while (!(await isReachable())) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function isReachable(): Promise<boolean> {
  const probe = EventStoreDBClient.connectionString(url);
  try {
    for await (const event of probe.readAll({ maxCount: 1 })) if (event.event === undefined) return false;
    return true;
  } catch {
    return false;
  } finally {
    await probe.dispose();
  }
}

/** Every other writer stays on one stream; the others begin a new one for each batch, as the product does. */
async function write(writer: number): Promise<void> {
  const own = `writer-${writer}-${randomUUID()}`;
  for (let round = 0; ; round++) {
    const batch = randomUUID();
    const size = 1 + (round % LARGEST_BATCH);
    const events = Array.from({ length: size }, (_, index) =>
      jsonEvent({ type: 'batched', data: { batch, index, size } }),
    );
    const stream = writer % 2 === 0 ? own : `single-${batch}`;
    const expectedRevision = writer % 2 === 0 ? ANY : NO_STREAM;
    const { nextExpectedRevision, position } = await client.appendToStream(stream, events, { expectedRevision });
    process.stdout.write(`${batch} ${stream} ${nextExpectedRevision} ${position?.commit ?? ''}\n`);
  }
}
