import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AccountId } from '../domain/ids.ts';
import type { RecordedEvent } from '../domain/recorded-event.ts';
import { startEventStoreNode, type EventStoreNode } from '../infra/event-store-node/server.ts';
import { openEventStore, type EventStore } from '../infra/event-store/event-store.ts';
import { newId, timeOf } from '../infra/ids.ts';
import { happened } from '../testing/projection-spec.ts';
import { appendFacts } from '../testing/projector-world.ts';
import { logSince } from './accounts-export-log.ts';
import { isKnownTo } from './accounts-export-scope.ts';

const PART = 1_000;
const DAY_MS = 86_400_000;
let directory: string;
let node: EventStoreNode;
let store: EventStore;
const [ann, ben] = [newId.account(), newId.account()];
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'export-log-'));
  node = await startEventStoreNode({ dataDir: directory });
  store = await openEventStore(node.url);
  const others = (count: number) =>
    Array.from({ length: count }, () =>
      happened('AccountFollowed', { followerId: newId.account(), followeeId: newId.account() }),
    );
  const pair = { followerId: ann, followeeId: ben };
  await appendFacts(store, [
    ...others(2_300),
    happened('AccountFollowed', pair),
    ...others(1_500),
    happened('FollowEnded', { ...pair, reason: 'unfollowed' }),
    happened('AccountMuted', { muterId: ann, mutedId: ben }),
    ...others(900),
  ]);
});
afterAll(async () => {
  await store.close();
  await node.close();
  await rm(directory, { recursive: true, force: true });
});

async function collect<T>(all: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of all) found.push(one);
  return found;
}

async function read(since: Date | undefined): Promise<{ events: RecordedEvent[]; shares: number[] }> {
  const parts = await collect(logSince(store, since, PART));
  return { events: parts.flatMap(({ events }) => events), shares: parts.map(({ share }) => share) };
}
const knownTo = (events: readonly RecordedEvent[], account: AccountId) =>
  events.filter((event) => isKnownTo(event, account));

it('gives an account all that the whole log tells of it, also of what no model has any more', async () => {
  const whole = await collect(store.readAll());
  for (const account of [ann, ben]) {
    const { events } = await read(timeOf(account));
    expect(knownTo(events, account)).toEqual(knownTo(whole, account));
  }
  expect(knownTo(whole, ann).length).toBeGreaterThan(1);
});

it('reads the log in order, once, in parts that say how far it is', async () => {
  const { events, shares } = await read(undefined);
  expect(events).toEqual(await collect(store.readAll()));
  expect(shares.length).toBeGreaterThan(3);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBe(1);
});

it('leaves out most of what is older than the account, and nothing within the difference of clocks', async () => {
  const whole = await read(undefined);
  expect((await read(new Date(Date.now() + DAY_MS / 2))).events).toHaveLength(whole.events.length);
  const later = (await read(new Date(Date.now() + 2 * DAY_MS))).events;
  expect(later.length).toBeLessThan(2 * PART);
  expect(later).toEqual(whole.events.slice(whole.events.length - later.length));
});

it('takes the time of an id from the id, and none from one that has none', () => {
  const now = Date.now();
  expect(Math.abs((timeOf(newId.account())?.getTime() ?? 0) - now)).toBeLessThan(DAY_MS);
  expect(timeOf(AccountId.parse('acc_00000000000000000000000000'))).toBeUndefined();
});
