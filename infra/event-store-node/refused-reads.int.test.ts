import { END, START } from '@eventstore/db-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect, follow, newStream, numbered, openTestNode, rejection, until } from './testing/test-node.ts';
import type { TestNode } from './testing/test-node.ts';
import { rawEvents, rawRead } from './testing/raw-read.ts';
import type { RawRead } from './testing/raw-read.ts';

const UNKNOWN = { code: 2 };
const LEAST_TOO_GREAT = 2n ** 63n;
const END_AS_NUMBER = 2n ** 64n - 1n;
const stream = newStream();

let test: TestNode;
let positions: bigint[] = [];
beforeAll(async () => {
  test = await openTestNode();
  await test.client.appendToStream(stream, numbered(5));
  positions = (await collect(test.client.readAll())).flatMap(({ event }) => event?.position.commit ?? []);
});
afterAll(() => test.close());

const refusal = (read: RawRead): Promise<unknown> => rejection(rawRead(test.node.url, read));
const events = (read: RawRead): Promise<string[]> => rawEvents(test.node.url, read);

describe('a read is an unknown error to the client, as on EventStoreDB,', () => {
  it.each<[string, RawRead]>([
    ['forwards from the end of a stream', { stream, from: 'end' }],
    ['forwards from the end of a stream, as a number', { stream, from: END_AS_NUMBER }],
    ['forwards from the end of a stream that is not there', { stream: newStream(), from: 'end' }],
    ['forwards from a revision that no signed number holds', { stream, from: LEAST_TOO_GREAT }],
    ['backwards from a revision that no signed number holds', { stream, from: LEAST_TOO_GREAT, backwards: true }],
    ['of no event of a stream', { stream, count: 0 }],
    ['of no event of a stream, backwards', { stream, from: 'end', backwards: true, count: 0 }],
    ['of no event of $all', { count: 0 }],
    ['of no event of a filtered $all', { count: 0, filter: { on: 'type', prefixes: ['test'] } }],
    ['of $all from a commit position before its prepare position', { from: [1_000n, 1_001n] }],
    ['of $all from a position that no signed number holds', { from: [LEAST_TOO_GREAT, LEAST_TOO_GREAT] }],
    ['of $all from an end that is none', { from: [END_AS_NUMBER, 0n] }],
    ['of $all backwards from behind the end', { from: [1n << 60n, 1n << 60n], backwards: true }],
  ])('%s', async (_case, read) => {
    expect(await refusal(read)).toMatchObject(UNKNOWN);
  });

  it('of $all from a position at which no event begins, in both directions', async () => {
    for (const position of positions.flatMap((at) => [at - 1n, at + 1n])) {
      expect(await refusal({ from: [position, position] })).toMatchObject(UNKNOWN);
      expect(await refusal({ from: [position, position], backwards: true })).toMatchObject(UNKNOWN);
    }
  });
});

describe('a read is answered', () => {
  it.each<[string, RawRead, number]>([
    ['backwards from the end of a stream', { stream, from: END_AS_NUMBER, backwards: true }, 5],
    ['from a revision behind the end', { stream, from: LEAST_TOO_GREAT - 1n }, 0],
    ['backwards from a revision behind the end', { stream, from: LEAST_TOO_GREAT - 1n, backwards: true }, 5],
    ['of $all from its end', { from: 'end' }, 0],
    ['of $all from its end, as a number', { from: [END_AS_NUMBER, END_AS_NUMBER], backwards: true }, 5],
    ['of $all from behind its end', { from: [1n << 60n, 1n << 60n] }, 0],
    ['of $all from its start', { from: [0n, 0n] }, 5],
  ])('%s', async (_case, read, count) => {
    expect(await events(read)).toHaveLength(count);
  });

  it('from the position of every event', async () => {
    for (const [index, position] of positions.entries()) {
      expect(await events({ from: [position, position] })).toHaveLength(5 - index);
      expect(await events({ from: [position, position], backwards: true })).toHaveLength(index);
    }
  });
});

describe('a subscription', () => {
  it('from a position or revision that is none is an unknown error too', async () => {
    const between = (positions[1] ?? 0n) + 1n;
    const followed = [
      test.client.subscribeToAll({ fromPosition: { commit: between, prepare: between } }),
      test.client.subscribeToAll({ fromPosition: { commit: positions[1] ?? 0n, prepare: between } }),
      test.client.subscribeToStream(stream, { fromRevision: LEAST_TOO_GREAT }),
    ].map(follow);
    await until('all have ended', () => followed.every(({ error }) => error !== undefined));
    for (const { error } of followed) expect(error).toMatchObject(UNKNOWN);
  });

  it('with a filter that begins at the end is told a position from which it may go on', async () => {
    const told: { commit: bigint; prepare: bigint }[] = [];
    const filter = {
      filterOn: 'streamName' as const,
      prefixes: ['nothing-is-called-so'],
      checkpointInterval: 1,
      checkpointReached: (_: unknown, at: { commit: bigint; prepare: bigint }) => void told.push(at),
    };
    const followed = follow(test.client.subscribeToAll({ fromPosition: END, filter }));
    await until('it is live', () => followed.story.includes('caughtUp'));
    expect(told.map(({ commit }) => commit)).toEqual(positions.slice(-1));
    await followed.stop();
    expect(await collect(test.client.readAll({ fromPosition: told[0] ?? START }))).toHaveLength(1);
  });
});
