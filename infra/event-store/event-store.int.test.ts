import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import {
  EventStoreAwayError,
  openEventStore,
  OutcomeUnknownError,
  SubscriptionEndedError,
  VersionConflictError,
  type EventStore,
  type NewEvent,
} from './event-store.ts';
import { startEventStoreNode, type EventStoreNode } from '../event-store-node/server.ts';

let directory: string;
let node: EventStoreNode;
let store: EventStore;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shutterlog-store-'));
  node = await startEventStoreNode({ dataDir: directory });
  store = await openEventStore(node.url);
});
afterAll(async () => {
  await store.close();
  await node.close();
  await rm(directory, { recursive: true, force: true });
});

const event = (n = 0): NewEvent => ({ id: randomUUID(), type: 'Happened', data: { n }, metadata: {} });
const stream = () => `test-${randomUUID()}`;
const all = async (options?: Parameters<EventStore['readAll']>[0]) => {
  const events: RecordedEvent[] = [];
  for await (const one of store.readAll(options)) events.push(one);
  return events;
};

describe('the event store', () => {
  it('keeps the identity of its log for every client', async () => {
    const other = await openEventStore(node.url);
    expect(other.storeId).toBe(store.storeId);
    await other.close();
  });

  it('gives two clients that start on an empty log at once the same identity', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'shutterlog-store-'));
    const fresh = await startEventStoreNode({ dataDir: empty });
    const [one, two] = await Promise.all([openEventStore(fresh.url), openEventStore(fresh.url)]);
    expect(one.storeId).toBe(two.storeId);
    await Promise.all([one.close(), two.close()]);
    await fresh.close();
    await rm(empty, { recursive: true, force: true });
  });

  it('gives back what was appended, in order, with revisions and growing positions', async () => {
    const id = stream();
    const [one, two] = [event(1), event(2)];
    const written = await store.append(id, 'no_stream', [one, two]);
    const read = await store.readStream(id);
    expect(read.map(({ id: eventId, revision, data }) => [eventId, revision, data])).toEqual([
      [one.id, 0n, { n: 1 }],
      [two.id, 1n, { n: 2 }],
    ]);
    expect(read[1]!.position).toBe(written.position);
    expect(read[0]!.position < read[1]!.position).toBe(true);
    expect(await store.head()).toBe(written.position);
  });

  it('answers a missing stream with nothing', async () => {
    expect(await store.readStream(stream())).toEqual([]);
  });

  it('refuses an append at a revision that is not the stream’s', async () => {
    const id = stream();
    await store.append(id, 'no_stream', [event()]);
    await expect(store.append(id, 'no_stream', [event()])).rejects.toThrow(VersionConflictError);
    await expect(store.append(id, 5n, [event()])).rejects.toThrow(VersionConflictError);
    await store.append(id, 0n, [event()]);
    expect(await store.readStream(id)).toHaveLength(2);
  });

  it('appends nothing twice when the same events are sent again at the same revision', async () => {
    const id = stream();
    const again = [event(1), event(2)];
    const first = await store.append(id, 'no_stream', again);
    expect(await store.append(id, 'no_stream', again)).toEqual(first);
    expect(await store.readStream(id)).toHaveLength(2);
  });

  it('reads the log from behind a position, up to a limit, and backwards', async () => {
    const before = await store.head();
    for (let n = 0; n < 100; n += 1) await store.append(stream(), 'no_stream', [event(n)]);
    expect((await all({ after: before })).map(({ data }) => data)).toEqual(
      Array.from({ length: 100 }, (_, n) => ({ n })),
    );
    expect((await all({ after: before, limit: 3 })).map(({ data }) => data)).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
    expect((await all({ backwards: true, limit: 2 })).map(({ data }) => data)).toEqual([{ n: 99 }, { n: 98 }]);
    expect(await all({ after: await store.head() })).toEqual([]);
    expect(await all({ after: before, limit: 0 })).toEqual([]);
  });

  it('finds places from behind a position to the head without reading, each event in exactly one range between them', async () => {
    const after = await store.head();
    for (let n = 0; n < 13; n += 1)
      await store.append(
        stream(),
        'no_stream',
        Array.from({ length: 250 }, (_, i) => event(n * 250 + i)),
      );
    const places: Position[] = [];
    for await (const place of store.milestones({ after, every: 1_000 })) places.push(place);
    expect(places.length).toBeGreaterThanOrEqual(3);
    expect(places.at(-1)).toBe(await store.head());
    expect(places).toEqual(places.toSorted());
    const numbers: unknown[] = [];
    for (const [i, until] of places.entries())
      numbers.push(
        ...(await all({ after: places[i - 1] ?? after, limit: 1_000 }))
          .filter(({ position }) => position <= until)
          .map(({ data }) => (data as { n: number }).n),
      );
    expect(numbers).toEqual(Array.from({ length: 3_250 }, (_, n) => n));
    const ranges = await Promise.all(
      places.map((until, i) =>
        store.readRange({ after: places[i - 1] ?? after, until, about: 1_000, wanted: new Set(['Happened']) }),
      ),
    );
    expect(ranges.flat()).toEqual(await all({ after, limit: 3_250 }));
    const none: Position[] = [];
    for await (const place of store.milestones({ after: await store.head(), every: 1_000 })) none.push(place);
    expect(none).toEqual([]);
  });

  it('gives all events between two places however many were expected, with the data of those types that are wanted', async () => {
    const before = await store.head();
    for (let n = 0; n < 3; n += 1)
      await store.append(
        stream(),
        'no_stream',
        Array.from({ length: 400 }, (_, i) => ({ ...event(n * 400 + i), type: i % 2 === 0 ? 'Happened' : 'Passed' })),
      );
    const [first, ...rest] = await all({ after: before });
    const until = rest.at(-100)!.position;
    for (const about of [0, 1_000, 100_000]) {
      const read = await store.readRange({ after: first!.position, until, about, wanted: new Set(['Happened']) });
      expect(read).toEqual(
        rest
          .slice(0, -99)
          .map((one) => (one.type === 'Happened' ? one : { ...one, data: undefined, metadata: undefined })),
      );
    }
    expect(
      await store.readRange({
        after: START_OF_LOG,
        until: before,
        about: 10_000,
        wanted: new Set(['Happened', 'StoreCreated']),
      }),
    ).toEqual(
      (await all())
        .filter(({ position }) => position <= before)
        .map((one) => (one.type === 'Passed' ? { ...one, data: undefined, metadata: undefined } : one)),
    );
  });

  it('says so when the event store goes away while a range is read, and reads on when it is back', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'shutterlog-store-'));
    const first = await startEventStoreNode({ dataDir: directory });
    const client = await openEventStore(first.url);
    await client.append(
      stream(),
      'no_stream',
      Array.from({ length: 10 }, (_, n) => event(n)),
    );
    const range = { after: START_OF_LOG, until: await client.head(), about: 10, wanted: new Set<string>() };
    await first.close();
    await expect(client.readRange(range)).rejects.toThrow(EventStoreAwayError);
    const second = await startEventStoreNode({ dataDir: directory, port: first.port });
    await expect
      .poll(() =>
        client.readRange(range).then(
          (events) => events.length,
          () => 0,
        ),
      )
      .toBe(11);
    await client.close();
    await second.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('follows the log from behind a position, history first, then what is appended, until it is told to stop', async () => {
    const after = await store.head();
    await store.append(stream(), 'no_stream', [event(1)]);
    const stop = new AbortController();
    const seen: unknown[] = [];
    const following = (async () => {
      for await (const portion of store.subscribe({ after, signal: stop.signal })) {
        seen.push(...portion.map(({ data }) => data));
        if (seen.length === 1) await store.append(stream(), 'no_stream', [event(2)]);
        if (seen.length === 2) stop.abort();
      }
    })();
    await following;
    expect(seen).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('may be asked for its head thousands of times in a row', async () => {
    await store.append(
      stream(),
      'no_stream',
      Array.from({ length: 100 }, (_, n) => event(n)),
    );
    for (let n = 0; n < 2_500; n += 1) await store.head();
    await store.append(stream(), 'no_stream', [event()]);
  });

  it('closes although a reader left in the middle of the log', async () => {
    await store.append(
      stream(),
      'no_stream',
      Array.from({ length: 300 }, (_, n) => event(n)),
    );
    const client = await openEventStore(node.url);
    for await (const { id } of client.readAll()) if (id.length > 0) break;
    for (let n = 0; n < 5; n += 1) await client.head();
    await client.append(stream(), 'no_stream', [event()]);
    for await (const { id } of client.readAll({ limit: 1 })) expect(id).toBeTruthy();
    for await (const { length } of client.subscribe({ after: START_OF_LOG, signal: new AbortController().signal }))
      if (length > 0) break;
    await client.close();
  });

  it('ends a subscription with an error when the server goes away, and another goes on behind the last event', async () => {
    const place = await mkdtemp(join(tmpdir(), 'shutterlog-store-'));
    const first = await startEventStoreNode({ dataDir: place });
    const client = await openEventStore(first.url);
    const subject = stream();
    let last = START_OF_LOG;
    let closing: Promise<void> | undefined;
    const following = (async () => {
      for await (const portion of client.subscribe({ after: START_OF_LOG, signal: new AbortController().signal })) {
        last = portion.at(-1)?.position ?? last;
        if (portion.some(({ type }) => type === 'Happened')) closing = first.close();
      }
    })();
    await client.append(subject, 'no_stream', [event(1)]);
    await expect(following).rejects.toThrow(SubscriptionEndedError);
    await closing;
    const second = await startEventStoreNode({ dataDir: place, port: first.port });
    const stop = new AbortController();
    await expect
      .poll(
        () =>
          client.append(subject, 0n, [event(2)]).then(
            () => 'appended',
            () => 'away',
          ),
        { timeout: 15_000 },
      )
      .toBe('appended');
    for await (const portion of client.subscribe({ after: last, signal: stop.signal })) {
      expect(portion.map(({ data }) => data)).toEqual([{ n: 2 }]);
      stop.abort();
    }
    await client.close();
    await second.close();
    await rm(place, { recursive: true, force: true });
  });

  it('says that the outcome is unknown when the server is away, and when it never answers', async () => {
    const place = await mkdtemp(join(tmpdir(), 'shutterlog-store-'));
    const gone = await startEventStoreNode({ dataDir: place });
    const client = await openEventStore(gone.url, { answerLimitMs: 400 });
    await gone.close();
    await expect(client.append(stream(), 'no_stream', [event()])).rejects.toThrow(OutcomeUnknownError);
    const silent = await listenSilently(gone.port);
    await expect(client.append(stream(), 'no_stream', [event()])).rejects.toThrow(OutcomeUnknownError);
    await client.close();
    silent.close();
    await rm(place, { recursive: true, force: true });
  });

  it('closes once its appends are answered, and takes nothing from those of another client', async () => {
    const leaving = await openEventStore(node.url);
    const before = await store.head();
    await leaving.append(stream(), 'no_stream', [event()]);
    const appends = (client: EventStore) =>
      Array.from({ length: 100 }, () => client.append(stream(), 'no_stream', [event()]));
    const both = [...appends(leaving), ...appends(store)];
    await setImmediate();
    await leaving.close();
    await Promise.all(both);
    expect(await all({ after: before })).toHaveLength(201);
  });

  it('gives up appends that are never answered, all of them in time, and appends again once there is an answer', async () => {
    const place = await mkdtemp(join(tmpdir(), 'shutterlog-store-'));
    const gone = await startEventStoreNode({ dataDir: place });
    const client = await openEventStore(gone.url, { answerLimitMs: 1_000 });
    await gone.close();
    const silent = await listenSilently(gone.port);
    const attempts = await Promise.allSettled(
      Array.from({ length: 60 }, () => client.append(stream(), 'no_stream', [event()])),
    );
    for (const attempt of attempts)
      expect(attempt).toMatchObject({ status: 'rejected', reason: expect.any(OutcomeUnknownError) as unknown });
    await stopListening(silent);
    const again = await startEventStoreNode({ dataDir: place, port: gone.port });
    const [subject, one] = [stream(), event()];
    await expect
      .poll(
        () =>
          client.append(subject, 'no_stream', [one]).then(
            () => 'appended',
            () => 'away',
          ),
        { timeout: 30_000 },
      )
      .toBe('appended');
    expect(await client.readStream(subject)).toHaveLength(1);
    await client.close();
    await again.close();
    await rm(place, { recursive: true, force: true });
  });

  it('loses no promise when the server goes away under many appends', async () => {
    const place = await mkdtemp(join(tmpdir(), 'shutterlog-store-'));
    const leaving = await startEventStoreNode({ dataDir: place });
    const client = await openEventStore(leaving.url);
    const attempts = Array.from({ length: 200 }, (_, n) => client.append(stream(), 'no_stream', [event(n)]));
    await attempts[0];
    const [, outcomes] = await Promise.all([leaving.close(), Promise.allSettled(attempts)]);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(OutcomeUnknownError);
    await client.close();
    await rm(place, { recursive: true, force: true });
  });
});

function stopListening(server: Server): Promise<void> {
  return new Promise((resolve) => {
    for (const socket of heldOpen.splice(0)) socket.destroy();
    server.close(() => {
      resolve();
    });
  });
}

const heldOpen: Socket[] = [];

function listenSilently(port: number): Promise<Server> {
  const server = createServer((socket) => {
    heldOpen.push(socket.on('error', () => undefined).unref());
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      resolve(server.unref());
    });
  });
}
