import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import { openEventStore, SubscriptionEndedError, type EventStore } from '../../infra/event-store.ts';
import { startEventStoreNode, type EventStoreNode } from '../../infra/event-store-node/server.ts';
import { eventually } from '../../testing/projector-world.ts';
import { shareTail } from './shared-tail.ts';

let directory: string;
let node: EventStoreNode;
let store: EventStore;
let stop: AbortController;
let subscriptions: number;
let counted: Pick<EventStore, 'subscribe'>;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shutterlog-tail-'));
  node = await startEventStoreNode({ dataDir: directory });
  store = await openEventStore(node.url);
  stop = new AbortController();
  subscriptions = 0;
  counted = { subscribe: (options) => { subscriptions += 1; return store.subscribe(options); } };
});
afterEach(async () => {
  stop.abort();
  await store.close();
  await node.close();
  await rm(directory, { recursive: true, force: true });
});

async function append(count: number): Promise<void> {
  const events = Array.from({ length: count }, () => ({ id: randomUUID(), type: 'Something', data: {}, metadata: {} }));
  await store.append(`stream-${randomUUID()}`, 'no_stream', events);
}

async function positions(): Promise<Position[]> {
  const all: Position[] = [];
  for await (const { position } of store.readAll()) all.push(position);
  return all;
}

/** Follows until it has `expected` events; `each` runs between them. */
async function collect(subscribe: EventStore['subscribe'], after: Position, expected: number, each: () => Promise<void> = async () => undefined): Promise<Position[]> {
  const seen: Position[] = [];
  for await (const { position } of subscribe({ after, signal: stop.signal })) {
    seen.push(position);
    await each();
    if (seen.length === expected) break;
  }
  return seen;
}

it('gives every reader the whole log after its own place, with events that come meanwhile, over one subscription', async () => {
  await append(200);
  const before = await positions();
  const subscribe = shareTail(counted, stop.signal);
  const places = [START_OF_LOG, before[0]!, before[99]!, before.at(-1)!];
  const reading = places.map((after) => collect(subscribe, after, before.filter((one) => one > after).length + 300));
  for (let i = 0; i < 10; i += 1) await append(30);
  const all = await positions();
  const seen = await Promise.all(reading);
  expect(seen).toEqual(places.map((after) => all.filter((one) => one > after)));
  expect(subscriptions).toBe(1);
});

it('lets a reader that begins before the others catch up alone, and then join them', async () => {
  await append(50);
  const before = await positions();
  const subscribe = shareTail(counted, stop.signal);
  const ahead = collect(subscribe, before.at(-1)!, 20);
  const behind = collect(subscribe, START_OF_LOG, before.length + 20);
  await append(20);
  const all = await positions();
  expect([await ahead, await behind]).toEqual([all.slice(-20), all]);
  expect(subscriptions).toBe(2);
});

it('goes on without a reader that stands still, which misses nothing all the same', async () => {
  const gate = Promise.withResolvers<undefined>();
  const subscribe = shareTail(counted, stop.signal, { held: 10, patienceMs: 20 });
  const total = (await positions()).length + 500;
  const slow = collect(subscribe, START_OF_LOG, total, () => gate.promise);
  const quick = collect(subscribe, START_OF_LOG, total);
  for (let i = 0; i < 10; i += 1) await append(50);
  const all = await positions();
  expect(await quick).toEqual(all);
  gate.resolve(undefined);
  expect(await slow).toEqual(all);
});

it('ends every reader when the subscription breaks, and serves them again when the store is back', async () => {
  await append(5);
  const subscribe = shareTail(counted, stop.signal);
  const total = (await positions()).length;
  const ends = [1, 2].map(() => collect(subscribe, START_OF_LOG, 1_000).catch((error: unknown) => error));
  await eventually('the readers are there', () => subscriptions === 1);
  await node.close();
  for (const end of await Promise.all(ends)) expect(end).toBeInstanceOf(SubscriptionEndedError);
  node = await startEventStoreNode({ dataDir: directory, port: node.port });
  let seen: Position[] = [];
  await eventually('the log can be followed again', async () => {
    seen = await collect(subscribe, START_OF_LOG, total).catch(() => []);
    return seen.length > 0;
  }, 40_000);
  expect(seen).toHaveLength(total);
});

it('ends a reader cleanly by its own signal and leaves the others', async () => {
  const subscribe = shareTail(counted, stop.signal);
  const own = new AbortController();
  const total = (await positions()).length;
  const other = collect(subscribe, START_OF_LOG, total + 3);
  const ending = async () => {
    let seen = 0;
    for await (const { position } of subscribe({ after: START_OF_LOG, signal: own.signal })) {
      seen += position > START_OF_LOG ? 1 : 0;
      own.abort();
    }
    return seen;
  };
  expect(await ending()).toBe(1);
  await append(3);
  expect(await other).toHaveLength(total + 3);
});
