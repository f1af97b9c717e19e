import { readFile } from 'node:fs/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binaryEvent, EventStoreDBClient, START } from '@eventstore/db-client';
import type { EventData } from '@eventstore/db-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startNodeProcess } from './testing/node-process.ts';
import { collect, follow, until } from './testing/test-node.ts';

const KIB = 1024;
const APPENDS = 48;
const EVENTS_PER_APPEND = 8;
const SLOW_CONSUMERS = 12;

let dataDir = '';
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'event-store-large-'));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

/** Together close to what one append may hold. */
function largeEvents(append: number): EventData[] {
  return Array.from({ length: EVENTS_PER_APPEND }, (_, index) =>
    binaryEvent({ type: `large-${append}-${index}`, data: Buffer.alloc(127 * KIB, append) }),
  );
}

it('keeps more than its write-ahead files hold, over a kill, and gives slow consumers everything from little memory', async () => {
  const first = await startNodeProcess(['--data-dir', dataDir, '--port', '0']);
  const writer = EventStoreDBClient.connectionString(first.url);
  const expected: string[] = [];
  for (let append = 0; append < APPENDS; append++) {
    const events = largeEvents(append);
    await writer.appendToStream(`large-${append % 3}`, events);
    expected.push(...events.map(({ type }) => type));
  }
  await first.stop('SIGKILL');
  await writer.dispose();

  const second = await startNodeProcess(['--data-dir', dataDir, '--port', '0']);
  const client = EventStoreDBClient.connectionString(second.url);
  expect(await typesIn(client)).toEqual(expected);
  const before = await ownMemory(second.process.pid);
  const consumers = Array.from({ length: SLOW_CONSUMERS }, () => client.subscribeToAll({ fromPosition: START }));
  for (const consumer of consumers) {
    consumer.pause();
    await until('the subscription is confirmed', () => consumer.id !== undefined);
  }
  // A reader that is not slow has seen everything by the time: what the slow ones hold up must be all that it can be.
  expect(await typesIn(client)).toEqual(expected);
  const grown = (await ownMemory(second.process.pid)) - before;
  expect(grown).toBeLessThan(SLOW_CONSUMERS * 4 * KIB * KIB);

  const followed = follow(consumers[0]!);
  consumers[0]!.resume();
  await until('the slow consumer has seen everything', () => followed.events.length === expected.length);
  expect(followed.events.map(({ event }) => event?.type)).toEqual(expected);
  await client.dispose();
  expect(await second.stop('SIGTERM')).toBe(0);
}, 60_000);

async function typesIn(client: EventStoreDBClient): Promise<string[]> {
  return (await collect(client.readAll())).map(({ event }) => event?.type ?? '');
}

/** Bytes of memory that the process holds for itself, without mapped files; 0 where the system does not tell. */
async function ownMemory(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * KIB;
}
