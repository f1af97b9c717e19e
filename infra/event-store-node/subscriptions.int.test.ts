import { END, eventTypeFilter, excludeSystemEvents, START, streamNameFilter } from '@eventstore/db-client';
import type { Filter, Position } from '@eventstore/db-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect, follow, newStream, numbered, openTestNode, rejection, until } from './testing/test-node.ts';
import type { Followed, TestNode } from './testing/test-node.ts';

let test: TestNode;
beforeAll(async () => {
  test = await openTestNode();
});
afterAll(() => test.close());

const numbers = (followed: Followed): number[] =>
  followed.events.map(({ event }) => (event?.data as { number: number }).number);
const isLive = (followed: Followed) => () => followed.story.includes('caughtUp');
const hasSeen = (followed: Followed, count: number) => () => followed.events.length >= count;
const range = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

describe('a subscription to a stream', () => {
  it('confirms, gives history, says that it has caught up, and goes on live', async () => {
    const stream = newStream();
    await test.client.appendToStream(stream, numbered(3));
    const followed = follow(test.client.subscribeToStream(stream, { fromRevision: START }));
    await until('it is live', isLive(followed));
    expect(followed.story).toEqual(['confirmation', 'event', 'event', 'event', 'caughtUp']);
    await test.client.appendToStream(stream, numbered(2));
    await test.client.appendToStream(newStream(), numbered(2));
    await until('it has seen the live events', hasSeen(followed, 5));
    expect(followed.events.map(({ event }) => event?.revision)).toEqual([0n, 1n, 2n, 3n, 4n]);
    await followed.stop();
  });

  it('begins after the revision that it names', async () => {
    const stream = newStream();
    await test.client.appendToStream(stream, numbered(5));
    const followed = follow(test.client.subscribeToStream(stream, { fromRevision: 2n }));
    await until('it is live', isLive(followed));
    expect(numbers(followed)).toEqual([3, 4]);
    await followed.stop();
  });

  it('gives only what comes later when it begins at the end', async () => {
    const stream = newStream();
    await test.client.appendToStream(stream, numbered(5));
    const followed = follow(test.client.subscribeToStream(stream, { fromRevision: END }));
    await until('it is live', isLive(followed));
    await test.client.appendToStream(stream, numbered(2));
    await until('it has seen the live events', hasSeen(followed, 2));
    expect(followed.events.map(({ event }) => event?.revision)).toEqual([5n, 6n]);
    await followed.stop();
  });

  it('waits for a stream that is not there yet, and has caught up only behind its first events', async () => {
    const stream = newStream();
    const early = follow(test.client.subscribeToStream(stream, { fromRevision: START }));
    const ahead = follow(test.client.subscribeToStream(stream, { fromRevision: 3n }));
    await until('both stand', () => early.story.length > 0 && ahead.story.length > 0);
    await test.client.appendToStream(stream, numbered(6));
    await until('both are live', () => isLive(early)() && isLive(ahead)());
    expect(early.story).toEqual(['confirmation', ...range(6).map(() => 'event'), 'caughtUp']);
    expect(ahead.story).toEqual(['confirmation', 'event', 'event', 'caughtUp']);
    expect(numbers(ahead)).toEqual([4, 5]);
    await Promise.all([early.stop(), ahead.stop()]);
  });

  it('goes on after the stream was deleted and begun anew', async () => {
    const stream = newStream();
    await test.client.appendToStream(stream, numbered(2));
    const followed = follow(test.client.subscribeToStream(stream, { fromRevision: START }));
    await until('it is live', isLive(followed));
    await test.client.deleteStream(stream);
    await test.client.appendToStream(stream, numbered(1));
    await until('it has seen the new event', hasSeen(followed, 3));
    expect(followed.events.at(-1)?.event?.revision).toBe(2n);
    await followed.stop();
  });
});

describe('a subscription to $all', () => {
  it('gives everything from the start, system events too', async () => {
    const stream = newStream();
    await test.client.setStreamMetadata(stream, { maxCount: 1 });
    await test.client.appendToStream(stream, numbered(2));
    const followed = follow(test.client.subscribeToAll({ fromPosition: START }));
    await until('it is live', isLive(followed));
    const all = await collect(test.client.readAll());
    expect(followed.events).toEqual(all);
    expect(all.some(({ event }) => event?.streamId === `$$${stream}`)).toBe(true);
    await followed.stop();
  });

  it('begins after the position that it names, at the end only with what comes later', async () => {
    const stream = newStream();
    const { position } = await test.client.appendToStream(stream, numbered(1));
    const after = follow(test.client.subscribeToAll({ fromPosition: position ?? START }));
    const atEnd = follow(test.client.subscribeToAll({ fromPosition: END }));
    await until('both are live', () => isLive(after)() && isLive(atEnd)());
    await test.client.appendToStream(stream, numbered(2));
    await until('both have seen the events', () => hasSeen(after, 2)() && hasSeen(atEnd, 2)());
    for (const followed of [after, atEnd]) {
      expect(followed.events.map(({ event }) => [event?.streamId, event?.revision])).toEqual([
        [stream, 1n],
        [stream, 2n],
      ]);
      await followed.stop();
    }
  });

  it('waits when its position lies beyond the end', async () => {
    const { position } = await test.client.appendToStream(newStream(), numbered(1));
    const beyond = (position?.commit ?? 0n) + 1_000n;
    const followed = follow(test.client.subscribeToAll({ fromPosition: { commit: beyond, prepare: beyond } }));
    await until('it is live', isLive(followed));
    await test.client.appendToStream(newStream(), numbered(20));
    await until('it has seen an event', hasSeen(followed, 1));
    expect(followed.events.every(({ commitPosition }) => (commitPosition ?? 0n) > beyond)).toBe(true);
    await followed.stop();
  });
});

describe('a filter', () => {
  it.each<[string, (tag: string) => Filter, number, number]>([
    ['stream prefixes', (tag) => streamNameFilter({ prefixes: [`red-1-${tag}`, `blue-1-${tag}`] }), 8, 2],
    ['a stream regex', (tag) => streamNameFilter({ regex: `^red-\\d-${tag}$` }), 8, 2],
    ['event type prefixes', (tag) => eventTypeFilter({ prefixes: [`${tag}-`] }), 6, 1],
    ['an event type regex', (tag) => eventTypeFilter({ regex: `^second-${tag}$` }), 6, 1],
  ])('by %s lets only matching events through, old and new', async (_case, filter, old, live) => {
    const tag = newStream();
    for (const name of ['red-1', 'blue-1', 'red-2']) {
      await test.client.appendToStream(`${name}-${tag}`, [
        ...numbered(2, `${tag}-first`),
        ...numbered(2, `second-${tag}`),
      ]);
    }
    const followed = follow(test.client.subscribeToAll({ fromPosition: START, filter: filter(tag) }));
    await until('it is live', isLive(followed));
    expect(followed.events).toHaveLength(old);
    await test.client.appendToStream(`red-1-${tag}`, numbered(1, `second-${tag}`));
    await test.client.appendToStream(newStream(), numbered(3));
    await test.client.appendToStream(`red-1-${tag}`, numbered(1, `${tag}-first`));
    await until('it has seen the live events', hasSeen(followed, old + live));
    expect(followed.events).toHaveLength(old + live);
    await followed.stop();
  });

  it('is a .NET regular expression', async () => {
    const tag = newStream();
    for (const name of ['été', 'été-1', 'ete', '1']) await test.client.appendToStream(`${tag}:${name}`, numbered(1));
    const filter = streamNameFilter({ regex: `\\A${tag}:[\\p{L}-[x-z]]+\\z` });
    const followed = follow(test.client.subscribeToAll({ fromPosition: START, filter }));
    await until('it is live', isLive(followed));
    expect(followed.events.map(({ event }) => event?.streamId)).toEqual([`${tag}:été`, `${tag}:ete`]);
    await followed.stop();
  });

  it.each([
    ['(', 'a group is not closed'],
    ['\\p{IsGreek}', 'blocks are not supported'],
    ['(a)\\1', 'references to groups are not supported'],
  ])('that says %s is refused with a sentence about it', async (regex, sentence) => {
    const error = await rejection(collect(test.client.subscribeToAll({ filter: streamNameFilter({ regex }) })));
    expect(error).toMatchObject({ code: 3, message: expect.stringContaining(sentence) as unknown });
  });

  it('tells positions at its interval, and once at the end of the log before it is live', async () => {
    const stream = newStream();
    const { position } = await test.client.appendToStream(stream, numbered(1));
    await test.client.appendToStream(stream, numbered(8));
    const checkpoints: Position[] = [];
    const story: string[] = [];
    const filter = excludeSystemEvents({
      checkpointInterval: 2,
      checkpointReached: (_subscription, at) => {
        checkpoints.push(at);
        story.push('checkpoint');
      },
    });
    const followed = follow(
      test.client
        .subscribeToAll({ fromPosition: position ?? START, filter })
        .on('caughtUp', () => story.push('caughtUp')),
    );
    await until('it is live', isLive(followed));
    expect(story).toEqual(['checkpoint', 'caughtUp']);
    expect(checkpoints[0]).toEqual(followed.events.at(-1)?.event?.position);
    for (let round = 0; round < 18; round++) await test.client.appendToStream(stream, numbered(20));
    await until('it has seen everything', hasSeen(followed, 368));
    // 368 events at one checkpoint per 2 × 32 events, and the one at the end of the history.
    expect(checkpoints).toHaveLength(6);
    expect(checkpoints.map(({ commit }) => commit)).toEqual(
      checkpoints.map(({ commit }) => commit).toSorted((a, b) => Number(a - b)),
    );
    await followed.stop();
  });

  it('tells positions although nothing matches', async () => {
    const checkpoints: Position[] = [];
    const filter = streamNameFilter({
      prefixes: ['nothing-is-called-so'],
      maxSearchWindow: 10,
      checkpointInterval: 1,
      checkpointReached: (_subscription, at) => {
        checkpoints.push(at);
      },
    });
    const followed = follow(test.client.subscribeToAll({ fromPosition: END, filter }));
    await until('it is live', isLive(followed));
    const told = checkpoints.length;
    const { position } = await test.client.appendToStream(newStream(), numbered(30));
    await until('it has told where it is', () => checkpoints.length >= told + 3);
    expect(checkpoints.at(-1)).toEqual(position);
    expect(followed.events).toEqual([]);
    await followed.stop();
  });
});

describe('subscriptions that start while events are appended', () => {
  it('give each event exactly once and in order', async () => {
    const streams = Array.from({ length: 4 }, () => newStream());
    const tag = streams[0] ?? '';
    let writing = true;
    const appended = new Map(streams.map((stream) => [stream, 0]));
    const writers = streams.map(async (stream) => {
      while (writing) {
        const { nextExpectedRevision } = await test.client.appendToStream(stream, numbered(3, `race-${tag}`));
        appended.set(stream, Number(nextExpectedRevision) + 1);
      }
    });
    const followers: { followed: Followed; stream: string | undefined }[] = [];
    for (let round = 0; round < 12; round++) {
      const stream = round % 3 === 0 ? streams[round % 4] : undefined;
      const filter = eventTypeFilter({ prefixes: [`race-${tag}`] });
      const subscription =
        stream !== undefined
          ? test.client.subscribeToStream(stream, { fromRevision: START })
          : test.client.subscribeToAll(round % 3 === 1 ? { fromPosition: START, filter } : { fromPosition: START });
      const followed = follow(subscription);
      followers.push({ followed, stream });
      await until('it is live', isLive(followed));
    }
    await until('enough is written', () => [...appended.values()].every((count) => count > 200));
    writing = false;
    await Promise.all(writers);
    const total = [...appended.values()].reduce((sum, count) => sum + count);
    for (const { followed, stream } of followers) {
      const expected = stream === undefined ? total : (appended.get(stream) ?? 0);
      const seen = () => followed.events.filter(({ event }) => event !== undefined && appended.has(event.streamId));
      await until('it has seen every event', () => seen().length >= expected);
      expect(seen()).toHaveLength(expected);
      const byStream = Map.groupBy(seen(), ({ event }) => event?.streamId);
      for (const events of byStream.values()) {
        expect(events.map(({ event }) => Number(event?.revision))).toEqual(range(events.length));
      }
      const positions = followed.events.map(({ event }) => event?.position?.commit ?? 0n);
      expect(positions.every((position, index) => index === 0 || position > (positions[index - 1] ?? 0n))).toBe(true);
      await followed.stop();
    }
  });
});
