import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { EventStoreDBClient } from '@eventstore/db-client';
import type { AllStreamResolvedEvent } from '@eventstore/db-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startNodeProcess } from './testing/node-process.ts';
import { collect } from './testing/test-node.ts';

const KILLS = 20;
const WRITERS = 16;
const APPEND_CHILD = fileURLToPath(new URL('testing/append-child.ts', import.meta.url));

interface Acknowledged {
  batch: string;
  stream: string;
  revision: number;
  position: bigint;
}
interface Appender {
  port: number;
  process: ChildProcessByStdio<null, Readable, null>;
}
interface Batched {
  batch: string;
  index: number;
  size: number;
}

let dataDir = '';
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'event-store-kill-'));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

it(`loses no acknowledged append and tears none when it is killed ${KILLS} times under load`, async () => {
  const acknowledged: Acknowledged[] = [];
  let appender = await startAppender();
  for (let kill = 0; kill < KILLS; kill++) {
    const next = kill < KILLS - 1 ? startAppender() : undefined;
    acknowledged.push(...(await appendUntilKilled(appender, 20 + kill * 15)));
    if (next !== undefined) appender = await next;
  }
  expect(acknowledged.length).toBeGreaterThan(KILLS * 20);

  const node = await startNodeProcess(['--data-dir', dataDir, '--port', '0']);
  const client = EventStoreDBClient.connectionString(node.url);
  const all = await collect(client.readAll());
  expectOrdered(all);
  expectWholeBatches(all);
  const stored = new Map(all.map((event) => [`${event.event?.streamId} ${event.event?.revision}`, event]));
  for (const { batch, stream, revision, position } of acknowledged) {
    const last = stored.get(`${stream} ${revision}`)?.event;
    expect(last?.data).toMatchObject({ batch });
    expect(last?.position.commit).toBe(position);
  }
  await expectReadableStreams(client, all);
  await client.dispose();
  expect(await node.stop('SIGTERM')).toBe(0);
}, 240_000);

/** Starts a process that appends as soon as there is a node on its port. */
async function startAppender(): Promise<Appender> {
  const port = await freePort();
  const args = [APPEND_CHILD, `esdb://127.0.0.1:${port}?tls=false`, String(WRITERS)];
  return { port, process: spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] }) };
}

/** Runs the node until some batches of the appender are acknowledged and kills it. Gives what was acknowledged. */
async function appendUntilKilled(appender: Appender, batches: number): Promise<Acknowledged[]> {
  const ended = once(appender.process, 'exit');
  const node = await startNodeProcess(['--data-dir', dataDir, '--port', String(appender.port)]);
  const acknowledged: Acknowledged[] = [];
  for await (const line of createInterface(appender.process.stdout)) {
    const [batch = '', stream = '', revision = '', position = ''] = line.split(' ');
    acknowledged.push({ batch, stream, revision: Number(revision), position: BigInt(position) });
    if (acknowledged.length === batches) void node.stop('SIGKILL');
  }
  await Promise.all([ended, node.stop('SIGKILL')]);
  return acknowledged;
}

function expectOrdered(all: AllStreamResolvedEvent[]): void {
  const revisions = new Map<string, bigint>();
  let last = -1n;
  for (const { event } of all) {
    if (event === undefined) throw new Error('an event is missing');
    expect(event.position.commit).toBeGreaterThan(last);
    last = event.position.commit;
    expect(event.revision).toBe((revisions.get(event.streamId) ?? -1n) + 1n);
    revisions.set(event.streamId, event.revision);
  }
}

/** The events of a batch lie one behind the other in $all, all of them. */
function expectWholeBatches(all: AllStreamResolvedEvent[]): void {
  for (let at = 0; at < all.length;) {
    const { batch, size } = all[at]?.event?.data as unknown as Batched;
    const whole = all.slice(at, at + size).map(({ event }) => event?.data);
    expect(whole).toEqual(Array.from({ length: size }, (_, index) => ({ batch, index, size })));
    at += size;
  }
}

/** The index agrees with the log. */
async function expectReadableStreams(client: EventStoreDBClient, all: AllStreamResolvedEvent[]): Promise<void> {
  const byStream = Map.groupBy(all, ({ event }) => event?.streamId ?? '');
  const sample = [...byStream].filter(([stream], index) => stream.startsWith('writer-') || index % 20 === 0);
  for (const [stream, events] of sample) {
    const read = await collect(client.readStream(stream));
    expect(read.map(({ event }) => event?.id)).toEqual(events.map(({ event }) => event?.id));
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
