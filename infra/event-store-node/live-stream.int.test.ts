import { END, START } from '@eventstore/db-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect, follow, newStream, numbered, openTestNode, until } from './testing/test-node.ts';
import type { Followed, TestNode } from './testing/test-node.ts';

let test: TestNode;
beforeAll(async () => {
  test = await openTestNode();
});
afterAll(() => test.close());

const TOMBSTONE = 0x7fffffffffffffffn;
const revisions = (followed: Followed): bigint[] => followed.events.map(({ event }) => event?.revision ?? -1n);
const seen = (followed: Followed, count: number) => () => followed.events.length >= count;
const filled = async (count: number): Promise<string> => {
  const stream = newStream();
  await test.client.appendToStream(stream, numbered(count));
  return stream;
};
const live = async (stream: string, fromRevision: typeof START | typeof END = START): Promise<Followed> => {
  const followed = follow(test.client.subscribeToStream(stream, { fromRevision }));
  await until('it is live', () => followed.story.includes('caughtUp'));
  return followed;
};

describe('a live subscription to a stream gives each event as it was appended,', () => {
  it('whatever $tb hides of it by then', async () => {
    const stream = await filled(2);
    const followed = await live(stream);
    await test.client.setStreamMetadata(stream, { truncateBefore: 100 });
    await test.client.appendToStream(stream, numbered(3));
    await until('it has seen the hidden events', seen(followed, 5));
    expect(revisions(followed)).toEqual([0n, 1n, 2n, 3n, 4n]);
    expect(await collect(test.client.readStream(stream))).toEqual([]);
    await followed.stop();
  });

  it('however many of them one append brings and $maxCount keeps', async () => {
    const stream = await filled(1);
    await test.client.setStreamMetadata(stream, { maxCount: 1 });
    const followed = await live(stream, END);
    await test.client.appendToStream(stream, numbered(600));
    await until('it has seen all of them', seen(followed, 600));
    expect(revisions(followed)).toEqual(Array.from({ length: 600 }, (_, number) => BigInt(number + 1)));
    expect(await collect(test.client.readStream(stream))).toHaveLength(1);
    await followed.stop();
  });

  it('but nothing of what history hid, also once it is shown again', async () => {
    const stream = await filled(3);
    await test.client.setStreamMetadata(stream, { truncateBefore: 100 });
    const followed = await live(stream);
    await test.client.setStreamMetadata(stream, {});
    await test.client.appendToStream(stream, numbered(1));
    await until('it has seen the new event', seen(followed, 1));
    expect(revisions(followed)).toEqual([3n]);
    expect(await collect(test.client.readStream(stream))).toHaveLength(4);
    await followed.stop();
  });

  it('every change of metadata too', async () => {
    const stream = await filled(1);
    const followed = await live(`$$${stream}`, END);
    await Promise.all([1, 2, 3].map((maxCount) => test.client.setStreamMetadata(stream, { maxCount })));
    await until('it has seen them', seen(followed, 3));
    expect(revisions(followed)).toEqual([0n, 1n, 2n]);
    await followed.stop();
  });
});

describe('a tombstone', () => {
  it('is given to a live subscription before its error, behind the events that came together with it', async () => {
    const stream = await filled(2);
    const followed = await live(stream);
    await Promise.all([
      test.client.appendToStream(stream, numbered(2)),
      test.client.appendToStream(newStream(), numbered(700)),
      test.client.tombstoneStream(stream),
    ]);
    await until('it ends', () => followed.error !== undefined);
    expect(revisions(followed)).toEqual([0n, 1n, 2n, 3n, TOMBSTONE]);
    expect(followed.events.at(-1)?.event).toMatchObject({ type: '$streamDeleted', streamId: stream });
    expect(followed.error).toMatchObject({ type: 'stream-deleted', streamName: stream });
  });

  it('ends a subscription that waits for the stream to begin with its error alone', async () => {
    const stream = newStream();
    const followed = follow(test.client.subscribeToStream(stream, { fromRevision: START }));
    await until('it stands', () => followed.story.length > 0);
    await test.client.tombstoneStream(stream);
    await until('it ends', () => followed.error !== undefined);
    expect(followed.story).toEqual(['confirmation']);
    expect(followed.error).toMatchObject({ type: 'stream-deleted', streamName: stream });
  });

  it('leaves a later subscription from the end confirmed and silent', async () => {
    const stream = await filled(2);
    await test.client.tombstoneStream(stream);
    const followed = follow(test.client.subscribeToStream(stream, { fromRevision: END }));
    const witness = await live(await filled(1));
    await test.client.appendToStream(newStream(), numbered(1));
    await until('it stands', () => followed.story.length > 0);
    expect(witness.error).toBeUndefined();
    expect([followed.story, followed.error]).toEqual([['confirmation'], undefined]);
    await Promise.all([followed.stop(), witness.stop()]);
  });
});
