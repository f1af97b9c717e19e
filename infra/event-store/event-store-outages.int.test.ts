import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { START_OF_LOG } from '../../domain/position.ts';
import { isOutage } from '../../projections/failures.ts';
import { openAnsweringProxy, type AnsweringProxy, type NodeAnswer } from '../../testing/answering-proxy.ts';
import { eventually } from '../../testing/projector-world.ts';
import {
  EventStoreCircuitOpenError,
  EventStoreDeniedError,
  isStoreDenial,
  openEventStore,
  OutcomeUnknownError,
  VersionConflictError,
  type EventStore,
  type NewEvent,
} from './event-store.ts';
import { startEventStoreNode, type EventStoreNode } from '../event-store-node/server.ts';

let directory: string;
let node: EventStoreNode;
let proxy: AnsweringProxy;
let store: EventStore;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shutterlog-outages-'));
  node = await startEventStoreNode({ dataDir: directory });
});
beforeEach(async () => {
  proxy = await openAnsweringProxy(node);
  store = await openEventStore(proxy.url, { answerLimitMs: 1_500 });
});
afterEach(async () => {
  proxy.say(undefined);
  await store.close();
  await proxy.close();
});
afterAll(async () => {
  await node.close();
  await rm(directory, { recursive: true, force: true });
});

const event = (): NewEvent => ({ id: randomUUID(), type: 'ThingHappened', data: {}, metadata: {} });
const append = (to = store, stream = `thing-${randomUUID()}`) => to.append(stream, 'no_stream', [event()]);
const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );
const drained = async (items: AsyncIterable<unknown>) => {
  for await (const one of items) if (one === undefined) return;
};

const ANSWERS: Record<string, NodeAnswer> = {
  'it is not ready': { code: 2, details: 'Server Is Not Ready' },
  'it is not ready, as other releases say it': { code: 14, details: 'Server Is Not Ready' },
  'it is too busy': { code: 14, details: 'Server Is Too Busy' },
  'there is no leader': { code: 2, details: 'No leader info available in response' },
  'it found no quorum in time': { code: 10, details: 'Operation timed out: Prepare phase timeout.' },
  'it is away': { code: 14, details: 'upstream connect error' },
  'it took too long': { code: 4, details: 'Deadline Exceeded' },
  'something on the way cut the call off': {
    code: 13,
    details: 'Received RST_STREAM with code 2 (Internal server error)',
  },
  'it is asked too much': { code: 8, details: 'Too many pings' },
  'the password was changed': { code: 16, details: 'Authentication failed' },
  'our user may not': { code: 7, details: 'Access Denied', trailers: { exception: 'access-denied' } },
};

describe('what a node may answer', () => {
  it.each(Object.entries(ANSWERS))('%s: an outage to everyone who asks, that ends by itself', async (_, answer) => {
    await append();
    const after = await store.head();
    const follow = (signal: AbortSignal) => drained(store.subscribe({ after, signal }));
    const following = failureOf(follow(new AbortController().signal));
    proxy.say(answer);
    const failures = await Promise.all(
      [
        append(),
        store.readStream('thing-1'),
        store.head(),
        store.answers(),
        drained(store.readAll()),
        drained(store.readAll({ limit: 5 })),
        drained(store.milestones({ after: START_OF_LOG, every: 1_000 })),
        store.readRange({ after: START_OF_LOG, until: after, about: 10, wanted: new Set() }),
        follow(new AbortController().signal),
      ].map(failureOf),
    );
    for (const failure of [...failures, await following]) expect(isOutage(failure), String(failure)).toBe(true);
    for (const failure of failures)
      expect(isStoreDenial(failure), String(failure)).toBe(answer.code === 16 || answer.code === 7);
    proxy.say(undefined);
    await eventually(
      'appends are taken again',
      () =>
        append().then(
          () => true,
          () => false,
        ),
      15_000,
    );
    await store.readStream('thing-1');
    await drained(store.readAll());
  });

  it('it is not the leader: the client goes to the one that it is told of', async () => {
    proxy.say({
      code: 5,
      details: 'Leader info available',
      trailers: {
        exception: 'not-leader',
        'leader-endpoint-host': '127.0.0.1',
        'leader-endpoint-port': String(node.port),
      },
    });
    expect(isOutage(await failureOf(append()))).toBe(true);
    await append();
    expect(isOutage(await failureOf(store.readStream('thing-1')))).toBe(true);
    expect(await store.readStream('thing-1')).toEqual([]);
  });

  it('no to single appends of a stream that goes on: refused and not unknown, and taken when it can', async () => {
    await append();
    proxy.sayToAppends({ code: 2, details: 'Server Is Not Ready' });
    const failure = await failureOf(append());
    expect(isOutage(failure)).toBe(true);
    expect(failure).not.toBeInstanceOf(OutcomeUnknownError);
    proxy.sayToAppends({ code: 2, details: 'Something that has no name' });
    expect(await failureOf(append())).toBeInstanceOf(OutcomeUnknownError);
    proxy.sayToAppends(undefined);
    await append();
  });

  it('a wrong expected version, which is no outage', async () => {
    const stream = `thing-${randomUUID()}`;
    await append(store, stream);
    for (let n = 0; n < 3; n += 1) expect(await failureOf(append(store, stream))).toBeInstanceOf(VersionConflictError);
  });

  it('nothing of a cluster: known as an outage to everyone who asks', async () => {
    await expect(openEventStore('esdb://127.0.0.1:1,127.0.0.1:2?tls=false')).rejects.toSatisfy(isOutage);
  });
});

describe('a store that does not answer for longer than its limit', () => {
  it('is left alone: what waits is given up, what comes fails at once, and a probe finds out when it is back', async () => {
    await append();
    proxy.keepAnswers(true);
    const waiting = await Promise.all(Array.from({ length: 40 }, () => failureOf(append())));
    for (const failure of waiting) expect(failure).toBeInstanceOf(OutcomeUnknownError);
    for (let n = 0; n < 100; n += 1) {
      expect(await failureOf(append())).toBeInstanceOf(EventStoreCircuitOpenError);
      expect(await failureOf(store.readStream('thing-1'))).toBeInstanceOf(EventStoreCircuitOpenError);
    }
    expect(await failureOf(store.answers())).toBeInstanceOf(EventStoreCircuitOpenError);
    proxy.keepAnswers(false);
    await eventually(
      'appends are taken again',
      () =>
        append().then(
          () => true,
          () => false,
        ),
      15_000,
    );
  });

  it('is asked on while it refuses for less than that', async () => {
    proxy.say({ code: 14, details: 'Server Is Not Ready' });
    for (let n = 0; n < 50; n += 1) expect(await failureOf(append())).not.toBeInstanceOf(EventStoreCircuitOpenError);
    proxy.say(undefined);
    await append();
  });

  it('does not let us: is left alone as well, and asked again by itself once it does', async () => {
    proxy.say({ code: 16, details: 'Authentication failed' });
    expect(await failureOf(append())).toBeInstanceOf(EventStoreDeniedError);
    await eventually(
      'it is left alone',
      async () => (await failureOf(append())) instanceof EventStoreCircuitOpenError,
      15_000,
    );
    proxy.say(undefined);
    await eventually(
      'appends are taken again',
      () =>
        append().then(
          () => true,
          () => false,
        ),
      15_000,
    );
  });
});
