import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { followDecider, type FollowCommand } from '../domain/follow.ts';
import type { AccountId } from '../domain/ids.ts';
import { streamOf } from '../domain/streams.ts';
import { EventStoreCircuitOpenError, openEventStore, type EventStore } from '../infra/event-store/event-store.ts';
import { newId } from '../infra/ids.ts';
import { openAnsweringProxy, type AnsweringProxy } from '../testing/answering-proxy.ts';
import { startEventStoreProcess, type EventStoreProcess } from '../testing/event-store-process.ts';
import { eventually } from '../testing/projector-world.ts';
import { problemOfError } from '../write-api/problem.ts';
import { handle, loadState, NewerReleaseNeededError, type CommandContext, type Log } from './handle.ts';

let directory: string;
let server: EventStoreProcess;
let proxy: AnsweringProxy;
let store: EventStore;
let log: Log;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shutterlog-frozen-'));
  server = await startEventStoreProcess(directory);
  proxy = await openAnsweringProxy(server);
  store = await openEventStore(proxy.url, { answerLimitMs: 2_000 });
  log = { store, keys: { forAccounts: async () => new Map() } };
});
afterEach(async () => {
  server.thaw();
  await store.close();
  await proxy.close();
  await server.kill();
  await rm(directory, { recursive: true, force: true });
});

type Pair = { readonly followerId: AccountId; readonly followeeId: AccountId };
const aPair = (): Pair => ({ followerId: newId.account(), followeeId: newId.account() });
const streamOfPair = ({ followerId, followeeId }: Pair) => streamOf.follow(followerId, followeeId);
const aCommand = (): CommandContext => ({
  commandId: uuidv7(),
  actorId: 'system',
  correlationId: 'test',
  causationId: 'test',
  now: new Date(),
});
const follow = (pair: Pair, { context = aCommand(), opens = false, to = log } = {}) => {
  const command: FollowCommand = { type: 'Follow', ...pair, followeePrivacy: 'public' };
  return handle(to, context, {
    decider: followDecider,
    streamId: streamOfPair(pair),
    command,
    owners: () => [],
    opens,
  });
};
const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );
const isTaken = () =>
  follow(aPair()).then(
    () => true,
    () => false,
  );

describe('a frozen event store', () => {
  it.each([false, true])(
    'keeps no command waiting for longer than its limit, then none at all, until it answers again (stream begins with it: %s)',
    async (opens) => {
      await follow(aPair(), { opens });
      server.freeze();
      const first = await Promise.all(Array.from({ length: 60 }, () => failureOf(follow(aPair(), { opens }))));
      for (const failure of first)
        expect(problemOfError(failure)).toMatchObject({ status: 503, headers: { 'Retry-After': '1' } });
      // Had one of these been asked, it would have waited for the limit.
      const asked = await Promise.all(Array.from({ length: 200 }, () => failureOf(follow(aPair(), { opens }))));
      for (const failure of asked) {
        expect(failure).toBeInstanceOf(EventStoreCircuitOpenError);
        expect(problemOfError(failure)).toMatchObject({
          status: 503,
          code: 'unavailable',
          headers: { 'Retry-After': '1' },
        });
      }
      server.thaw();
      await eventually('commands are taken again', isTaken, 30_000);
    },
  );
});

describe('a leader that resigns', () => {
  it('is waited for within the limit, and the command then taken', async () => {
    await follow(aPair());
    proxy.say({ code: 2, details: 'Server Is Not Ready' });
    const taken = Promise.all(Array.from({ length: 20 }, () => follow(aPair())));
    await delay(600);
    proxy.say(undefined);
    for (const handled of await taken) expect(handled).toMatchObject({ ok: true });
  });

  it('that takes longer is a store away to the client', async () => {
    await follow(aPair());
    proxy.say({ code: 2, details: 'Server Is Not Ready' });
    const failures = await Promise.all(Array.from({ length: 20 }, () => failureOf(follow(aPair()))));
    for (const failure of failures) expect(problemOfError(failure)).toMatchObject({ status: 503, code: 'unavailable' });
  });
});

describe('a password that was changed', () => {
  it('is told as a store away, loudly, and heals by itself', async () => {
    await follow(aPair());
    proxy.say({ code: 16, details: 'Authentication failed' });
    expect(problemOfError(await failureOf(follow(aPair())))).toMatchObject({
      status: 503,
      code: 'unavailable',
      alarm: true,
    });
    proxy.say(undefined);
    await eventually('commands are taken again', isTaken, 15_000);
  });
});

describe('a command whose answer was lost', () => {
  it.each([false, true])(
    'is taken once, by a server that has forgotten it meanwhile as well (stream begins with it: %s)',
    async (opens) => {
      const [pair, context] = [aPair(), aCommand()];
      proxy.keepAnswers(true);
      expect(await failureOf(follow(pair, { context, opens }))).toBeDefined();
      await server.kill();
      server = await startEventStoreProcess(directory);
      const again = await openEventStore(server.url);
      const to = { ...log, store: again };
      expect((await again.readStream(streamOfPair(pair))).map(({ type }) => type)).toEqual(['AccountFollowed']);
      const repeated = await follow(pair, { context, opens, to });
      expect(repeated).toMatchObject({ ok: true, events: [{ type: 'AccountFollowed' }] });
      // What was appended after it must not make the repeat look new.
      await handle(to, aCommand(), {
        decider: followDecider,
        streamId: streamOfPair(pair),
        command: { type: 'Unfollow', ...pair },
        owners: () => [],
      });
      expect(await follow(pair, { context, opens, to })).toMatchObject({ ok: true });
      expect((await again.readStream(streamOfPair(pair))).map(({ type }) => type)).toEqual([
        'AccountFollowed',
        'FollowEnded',
      ]);
      await again.close();
    },
  );
});

describe('a stream that a newer release has written to', () => {
  const metadata = {
    $correlationId: 'c',
    $causationId: 'c',
    commandId: uuidv7(),
    actorId: 'system',
    owners: [],
    occurredAt: new Date().toISOString(),
    schemaVersion: 1,
  };
  it.each([
    ['a type that this release does not know', { type: 'FollowMutedForAWhile', data: { until: 'tomorrow' }, metadata }],
    [
      'a version that this release does not know',
      { type: 'AccountFollowed', data: { since: 'ever' }, metadata: { ...metadata, schemaVersion: 99 } },
    ],
  ])('takes no commands here, and says which type it is: %s', async (_, event) => {
    const pair = aPair();
    await follow(pair);
    await store.append(streamOfPair(pair), 0n, [{ id: uuidv7(), ...event }]);
    for (const failure of [
      await failureOf(follow(pair)),
      await failureOf(follow(pair, { opens: true })),
      await failureOf(loadState(log, followDecider, streamOfPair(pair))),
    ]) {
      expect(failure).toBeInstanceOf(NewerReleaseNeededError);
      expect(failure).toMatchObject({ eventType: event.type });
      expect(problemOfError(failure)).toMatchObject({ status: 503, code: 'newer_release_needed', alarm: true });
    }
    expect(await store.readStream(streamOfPair(pair))).toHaveLength(2);
  });

  it('is not said of an event that is another aggregate’s', async () => {
    const pair = aPair();
    await store.append(streamOfPair(pair), 'no_stream', [
      { id: uuidv7(), type: 'PostDeleted', data: { postId: newId.post(), authorId: pair.followerId }, metadata },
    ]);
    const failure = await failureOf(follow(pair));
    expect(failure).not.toBeInstanceOf(NewerReleaseNeededError);
    expect(problemOfError(failure)).toBeUndefined();
  });
});
