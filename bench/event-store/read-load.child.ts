import { EventStoreDBClient } from '@eventstore/db-client';

/** Reads $all from the start. Arguments: connection string, events that must come. Prints events per second. */
const [url = '', expected = '0'] = process.argv.slice(2);
const client = EventStoreDBClient.connectionString(url);
await readAll(5_000);
const start = performance.now();
const events = await readAll(Number.MAX_SAFE_INTEGER);
if (events !== Number(expected)) throw new Error(`read ${events} events instead of ${expected}`);
const rate = events / ((performance.now() - start) / 1_000);
process.stdout.write(`${rate}\n`, () => process.exit(0));

async function readAll(maxCount: number): Promise<number> {
  let count = 0;
  for await (const { event } of client.readAll({ maxCount })) if (event !== undefined) count++;
  return count;
}
