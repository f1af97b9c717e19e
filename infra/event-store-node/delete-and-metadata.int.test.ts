import {
  ANY,
  BACKWARDS,
  END,
  NO_STREAM,
  START,
  STREAM_EXISTS,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect, follow, newStream, numbered, openTestNode, rejection, until } from './testing/test-node.ts';
import type { TestNode } from './testing/test-node.ts';

let test: TestNode;
beforeAll(async () => {
  test = await openTestNode();
});
afterAll(() => test.close());

const filled = async (count = 4): Promise<string> => {
  const stream = newStream();
  await test.client.appendToStream(stream, numbered(count));
  return stream;
};
const revisions = async (stream: string, options = {}): Promise<number[]> =>
  (await collect(test.client.readStream(stream, options))).map(({ event }) => Number(event?.revision));

describe('a deleted stream', () => {
  it('is not found any more, whatever revision it was deleted at', async () => {
    for (const expectedRevision of [ANY, 3n] as const) {
      const stream = await filled();
      const { position } = await test.client.deleteStream(stream, { expectedRevision });
      expect(position?.commit).toBeGreaterThan(0n);
      expect(await rejection(revisions(stream))).toBeInstanceOf(StreamNotFoundError);
      expect(await rejection(revisions(stream, { direction: BACKWARDS, fromRevision: END }))).toBeInstanceOf(
        StreamNotFoundError,
      );
    }
  });

  it.each([
    ['any', ANY, 4n],
    ['no stream', NO_STREAM, 4n],
    ['the last revision', 3n, 4n],
  ] as const)(
    'begins anew with an append at %s, its revisions going on',
    async (_case, expectedRevision, nextExpectedRevision) => {
      const stream = await filled();
      await test.client.deleteStream(stream);
      expect(await test.client.appendToStream(stream, numbered(1), { expectedRevision })).toMatchObject({
        nextExpectedRevision,
      });
      expect(await revisions(stream)).toEqual([4]);
      expect(await test.client.getStreamMetadata(stream)).toMatchObject({ metadata: { truncateBefore: 4 } });
    },
  );

  it('is not an existing stream', async () => {
    const stream = await filled();
    await test.client.deleteStream(stream);
    expect(
      await rejection(test.client.appendToStream(stream, numbered(1), { expectedRevision: STREAM_EXISTS })),
    ).toBeInstanceOf(StreamDeletedError);
  });

  it('begins anew, empty, when its metadata is set', async () => {
    const stream = await filled();
    await test.client.deleteStream(stream);
    await test.client.setStreamMetadata(stream, { maxCount: 5 });
    expect(await revisions(stream)).toEqual([]);
    await test.client.appendToStream(stream, numbered(1), { expectedRevision: 3n });
    expect(await revisions(stream)).toEqual([4]);
    expect(await test.client.getStreamMetadata(stream)).toMatchObject({ metadata: { maxCount: 5, truncateBefore: 4 } });
  });

  it('keeps its events in $all', async () => {
    const stream = await filled();
    await test.client.deleteStream(stream);
    const all = await collect(test.client.readAll());
    expect(all.filter(({ event }) => event?.streamId === stream)).toHaveLength(4);
    expect(all.filter(({ event }) => event?.streamId === `$$${stream}`).map(({ event }) => event?.type)).toEqual([
      '$metadata',
    ]);
  });

  it('may be deleted twice', async () => {
    const stream = await filled();
    await test.client.deleteStream(stream);
    await test.client.deleteStream(stream);
    expect(await rejection(revisions(stream))).toBeInstanceOf(StreamNotFoundError);
  });
});

describe('a delete that expects something else', () => {
  it('is refused and deletes nothing', async () => {
    const stream = await filled();
    for (const expectedRevision of [2n, 9n, NO_STREAM] as const) {
      const error = await rejection(test.client.deleteStream(stream, { expectedRevision }));
      expect(error).toBeInstanceOf(WrongExpectedVersionError);
      expect(error).toMatchObject({
        streamName: stream,
        actualVersion: 3n,
        expectedVersion: expectedRevision === NO_STREAM ? -1n : expectedRevision,
      });
      const again = await rejection(test.client.tombstoneStream(stream, { expectedRevision }));
      expect(again).toMatchObject({ type: 'wrong-expected-version', streamName: stream, actualVersion: 3n });
    }
    expect(await revisions(stream)).toHaveLength(4);
  });

  it('is refused for a stream that never was, but not for one with metadata alone', async () => {
    const stream = newStream();
    for (const expectedRevision of [ANY, NO_STREAM, 0n, 5n] as const) {
      const error = await rejection(test.client.deleteStream(stream, { expectedRevision }));
      expect(error).toMatchObject({ type: 'wrong-expected-version', streamName: stream, actualVersion: -1n });
    }
    const refused = await rejection(test.client.tombstoneStream(stream, { expectedRevision: 5n }));
    expect(refused).toMatchObject({ type: 'wrong-expected-version', streamName: stream, actualVersion: -1n });
    await test.client.setStreamMetadata(stream, { cacheControl: 10 });
    expect(await test.client.deleteStream(stream, { expectedRevision: NO_STREAM })).toBeDefined();
  });
});

describe('a tombstone', () => {
  it.each([
    ['any', ANY],
    ['the last revision', 3n],
  ] as const)('at %s ends a stream for ever', async (_case, expectedRevision) => {
    const stream = await filled();
    const { position } = await test.client.tombstoneStream(stream, { expectedRevision });
    expect(position?.commit).toBeGreaterThan(0n);
    const plain = { credentials: { username: 'a', password: 'b' } };
    const attempts: (() => Promise<unknown>)[] = [
      () => revisions(stream),
      () => revisions(stream, { direction: BACKWARDS, fromRevision: END }),
      () => test.client.appendToStream(stream, numbered(1)),
      () => test.client.appendToStream(stream, numbered(1), { expectedRevision: 3n, ...plain }),
      () => test.client.deleteStream(stream),
      () => test.client.tombstoneStream(stream),
      () => test.client.setStreamMetadata(stream, { maxCount: 1 }),
    ];
    for (const attempt of attempts) expect(await rejection(attempt())).toMatchObject({ type: 'stream-deleted' });
  });

  it('may be put on a stream that never was, and is seen in $all', async () => {
    const stream = newStream();
    await test.client.tombstoneStream(stream, { expectedRevision: NO_STREAM });
    expect(await rejection(test.client.appendToStream(stream, numbered(1)))).toMatchObject({
      type: 'stream-deleted',
      streamName: stream,
    });
    const [last] = await collect(test.client.readAll({ direction: BACKWARDS, fromPosition: END, maxCount: 1 }));
    expect(last?.event).toMatchObject({ streamId: stream, type: '$streamDeleted', revision: 0x7fffffffffffffffn });
  });

  it('ends subscriptions to the stream, those that run and those that come later', async () => {
    const stream = await filled();
    const running = follow(test.client.subscribeToStream(stream, { fromRevision: START }));
    await until('the subscription is live', () => running.story.includes('caughtUp'));
    await test.client.tombstoneStream(stream);
    await until('the running subscription ends', () => running.error !== undefined);
    expect(running.error).toMatchObject({ type: 'stream-deleted', streamName: stream });
    const late = follow(test.client.subscribeToStream(stream, { fromRevision: START }));
    await until('the late subscription ends', () => late.error !== undefined);
    expect(late.error).toMatchObject({ type: 'stream-deleted', streamName: stream });
  });
});

describe('stream metadata', () => {
  it('is what was set last, with what the client adds of its own', async () => {
    const stream = await filled();
    expect(await test.client.getStreamMetadata(stream)).toEqual({ streamName: stream });
    await test.client.setStreamMetadata(stream, { maxCount: 2, color: 'red' });
    await test.client.setStreamMetadata(
      stream,
      { maxAge: 60, cacheControl: 5, acl: { readRoles: ['a'] } },
      { expectedRevision: 0n },
    );
    expect(await test.client.getStreamMetadata(stream)).toMatchObject({
      metadata: { maxAge: 60, cacheControl: 5, acl: { readRoles: ['a'] } },
    });
    expect(await revisions(`$$${stream}`)).toEqual([1]);
    expect(
      await rejection(test.client.setStreamMetadata(stream, { maxCount: 3 }, { expectedRevision: 0n })),
    ).toBeInstanceOf(WrongExpectedVersionError);
  });

  it('hides all but the newest events by $maxCount', async () => {
    const stream = await filled(10);
    await test.client.setStreamMetadata(stream, { maxCount: 3 });
    expect(await revisions(stream)).toEqual([7, 8, 9]);
    expect(await revisions(stream, { fromRevision: 2n, maxCount: 2 })).toEqual([7, 8]);
    expect(await revisions(stream, { direction: BACKWARDS, fromRevision: END })).toEqual([9, 8, 7]);
    expect(await revisions(stream, { direction: BACKWARDS, fromRevision: 5n })).toEqual([]);
    await test.client.appendToStream(stream, numbered(1));
    expect(await revisions(stream)).toEqual([8, 9, 10]);
    const inAll = (await collect(test.client.readAll())).filter(({ event }) => event?.streamId === stream);
    expect(inAll).toHaveLength(11);
  });

  it('hides events before $tb', async () => {
    const stream = await filled(10);
    await test.client.setStreamMetadata(stream, { truncateBefore: 6 });
    expect(await revisions(stream)).toEqual([6, 7, 8, 9]);
    expect(await revisions(stream, { direction: BACKWARDS, fromRevision: 7n })).toEqual([7, 6]);
    await test.client.setStreamMetadata(stream, { truncateBefore: 20 });
    expect(await revisions(stream)).toEqual([]);
    expect(await test.client.appendToStream(stream, numbered(1), { expectedRevision: 9n })).toMatchObject({
      nextExpectedRevision: 10n,
    });
  });

  it('hides events older than $maxAge', async () => {
    const stream = await filled(3);
    const [first] = await collect(test.client.readStream(stream, { maxCount: 1 }));
    const bornAt = first?.event?.created.getTime() ?? 0;
    await test.client.setStreamMetadata(stream, { maxAge: 1 });
    await until('the events are a second old', () => Date.now() > bornAt + 1_100);
    await test.client.appendToStream(stream, numbered(1));
    expect(await revisions(stream)).toEqual([3]);
    expect(await revisions(stream, { direction: BACKWARDS, fromRevision: END })).toEqual([3]);
    await test.client.setStreamMetadata(stream, { maxAge: 3600 });
    expect(await revisions(stream)).toEqual([0, 1, 2, 3]);
  });

  it('that makes no sense hides nothing', async () => {
    const stream = await filled(3);
    await test.client.setStreamMetadata(stream, { maxCount: -1 });
    expect(await revisions(stream)).toEqual([0, 1, 2]);
  });
});
