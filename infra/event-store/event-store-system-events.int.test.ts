import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { measureLags } from '../../projections/status/lag.ts';
import { appendSystemEvents } from '../../testing/system-events.ts';
import { openTcpProxy, type TcpProxy } from '../../testing/tcp-proxy.ts';
import { openEventStore, type EventStore } from './event-store.ts';
import { startEventStoreNode, type EventStoreNode } from '../event-store-node/server.ts';

// What reaches this process is counted in bytes, on the wire: each system event that is sent takes more than a hundred.
const SYSTEM_EVENTS = 200_000;
const A_FEW_ANSWERS = 64 * 1024;

let directory: string;
let node: EventStoreNode;
let proxy: TcpProxy;
let store: EventStore;
let last: Position;
let before: Position[];
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shutterlog-system-'));
  node = await startEventStoreNode({ dataDir: directory });
  proxy = await openTcpProxy({ host: '127.0.0.1', port: node.port });
  const writer = await openEventStore(node.url);
  before = [];
  for (let n = 0; n < 40; n += 1)
    before.push(
      (
        await writer.append(`thing-${randomUUID()}`, 'no_stream', [
          { id: randomUUID(), type: 'ThingHappened', data: { n }, metadata: {} },
        ])
      ).position,
    );
  last = before.at(-1)!;
  await writer.close();
  await appendSystemEvents(node.url, SYSTEM_EVENTS);
});
beforeEach(async () => {
  store = await openEventStore(`esdb://127.0.0.1:${String(proxy.port)}?tls=false`);
});
afterAll(async () => {
  await proxy.close();
  await node.close();
  await rm(directory, { recursive: true, force: true });
});

/** What `work` gives, and how many bytes the event store sent for it. */
async function weighed<T>(work: () => Promise<T>): Promise<{ result: T; bytes: number }> {
  const sent = proxy.sent();
  const result = await work();
  return { result, bytes: proxy.sent() - sent };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of items) all.push(one);
  return all;
}

describe('with 200,000 events of the server’s own behind the newest of ours', () => {
  it('finds the newest of ours, each time and after each new one', async () => {
    const { result, bytes } = await weighed(() => store.head());
    expect(result).toBe(last);
    expect(bytes).toBeLessThan(A_FEW_ANSWERS);
    const again = await weighed(() => Promise.all(Array.from({ length: 100 }, () => store.head())));
    expect(new Set(again.result)).toEqual(new Set([last]));
    expect(again.bytes).toBeLessThan(A_FEW_ANSWERS);
    await store.close();
  });

  it('is told of an event that another process appends, and of none when it is the server’s', async () => {
    expect(await store.head()).toBe(last);
    await appendSystemEvents(node.url, 100);
    expect(await store.head()).toBe(last);
    const other = await openEventStore(node.url);
    for (const many of [1, 31, 33, 200]) {
      const { position } = await other.append(
        `thing-${randomUUID()}`,
        'no_stream',
        Array.from({ length: many }, () => ({ id: randomUUID(), type: 'ThingHappened', data: {}, metadata: {} })),
      );
      await appendSystemEvents(node.url, 10);
      expect(await store.head()).toBe(position);
      last = position;
    }
    await other.close();
    await store.close();
  });

  it('answers health with one small read', async () => {
    const { bytes } = await weighed(() => store.answers());
    expect(bytes).toBeLessThan(2_048);
    await store.close();
  });

  it('measures lags by what is ours', async () => {
    const places = [START_OF_LOG, before[10]!, last];
    const { result, bytes } = await weighed(() =>
      measureLags(store, places, { position: before[0]!, events: 2 }, new Date()),
    );
    expect(result.head).toBe(last);
    const ours = (await collect(store.readAll())).map(({ position }) => position);
    for (const place of places)
      expect(result.lags.get(place)).toMatchObject({
        events: ours.filter((position) => position > place).length,
        estimated: false,
      });
    expect(bytes).toBeLessThan(4 * A_FEW_ANSWERS);
    await store.close();
  });

  it('reads the whole log, parts of it and backwards without any of them', async () => {
    const { result, bytes } = await weighed(async () => ({
      all: await collect(store.readAll()),
      some: await collect(store.readAll({ after: before[5]!, limit: 10 })),
      newest: await collect(store.readAll({ backwards: true, limit: 5 })),
      earlier: await collect(store.readAll({ before: before[20]!, backwards: true, limit: 5 })),
    }));
    expect(result.all.every(({ type, streamId }) => !type.startsWith('$') && !streamId.startsWith('$'))).toBe(true);
    expect(result.all.at(-1)?.position).toBe(last);
    expect(result.some.map(({ position }) => position)).toEqual(before.slice(6, 16));
    expect(result.newest).toEqual(result.all.slice(-5).reverse());
    expect(result.earlier.map(({ position }) => position)).toEqual(before.slice(15, 20).reverse());
    expect(bytes).toBeLessThan(4 * A_FEW_ANSWERS);
    await store.close();
  });

  it('replays ranges up to the newest of ours, and looks no further', async () => {
    const { result, bytes } = await weighed(async () => {
      const places = await collect(store.milestones({ after: START_OF_LOG, every: 10_000 }));
      const events: RecordedEvent[] = [];
      for (const [i, until] of places.entries())
        events.push(
          ...(await store.readRange({
            after: places[i - 1] ?? START_OF_LOG,
            until,
            about: 10_000,
            wanted: { has: () => true },
          })),
        );
      return { places, events };
    });
    expect(result.places.at(-1)).toBe(last);
    expect(result.events).toEqual(await collect(store.readAll()));
    expect(bytes).toBeLessThan(8 * A_FEW_ANSWERS);
    await store.close();
  });

  it('follows the log from any place without being sent one, and hears what comes', async () => {
    const stop = new AbortController();
    const seen: RecordedEvent[] = [];
    const count = (await collect(store.readAll())).length;
    const { bytes } = await weighed(async () => {
      for await (const portion of store.subscribe({ after: START_OF_LOG, signal: stop.signal })) {
        seen.push(...portion);
        if (seen.length === count)
          last = (
            await store.append(`thing-${randomUUID()}`, 'no_stream', [
              { id: randomUUID(), type: 'ThingHappened', data: {}, metadata: {} },
            ])
          ).position;
        if (seen.at(-1)?.position === last && seen.length > count) stop.abort();
      }
    });
    expect(seen.every(({ type, streamId }) => !type.startsWith('$') && !streamId.startsWith('$'))).toBe(true);
    expect(seen.at(-1)?.position).toBe(last);
    expect(bytes).toBeLessThan(8 * A_FEW_ANSWERS);
    await store.close();
  });
});
