import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numbered, openTestNode } from './testing/test-node.ts';
import type { TestNode } from './testing/test-node.ts';
import { rawEvents } from './testing/raw-read.ts';
import type { RawFilter, RawRead } from './testing/raw-read.ts';

const ROUNDS = 40;
const ours = (rounds: number): string[] => Array.from({ length: rounds }, (_, round) => `ours@${round}`);
const bySystem: RawFilter = { on: 'type', regex: '^[^\\$].*' };

let test: TestNode;
beforeAll(async () => {
  test = await openTestNode();
  for (let round = 0; round < ROUNDS; round++) {
    await test.client.appendToStream('ours', numbered(1));
    await test.client.appendToStream('$ce-others', numbered(50, '$noise'));
  }
});
afterAll(() => test.close());

const read = (options: RawRead): Promise<string[]> => rawEvents(test.node.url, options);

describe('a filtered read of $all', () => {
  it.each<[string, RawFilter]>([
    ['by stream prefix', { on: 'stream', prefixes: ['our'] }],
    ['by stream expression', { on: 'stream', regex: '^ours$' }],
    ['by type prefix', { on: 'type', prefixes: ['test-'] }],
    ['without system events', bySystem],
  ])('%s gives the matching events alone, in both directions', async (_case, filter) => {
    expect(await read({ filter })).toEqual(ours(ROUNDS));
    expect(await read({ filter, from: 'end', backwards: true })).toEqual(ours(ROUNDS).toReversed());
  });

  it('counts matching events only, however much lies between them and however small the search window is', async () => {
    for (const max of [undefined, 1, 33, 10_000]) {
      const filter: RawFilter = max === undefined ? bySystem : { ...bySystem, max };
      expect(await read({ filter, count: 3 })).toEqual(ours(3));
      expect(await read({ filter, count: 1, from: 'end', backwards: true })).toEqual([`ours@${ROUNDS - 1}`]);
    }
  });

  it('goes on from the position of an event, which it includes forwards and leaves out backwards', async () => {
    const { position } = await test.client.appendToStream('ours', numbered(1));
    const at = position?.commit ?? 0n;
    expect(await read({ filter: bySystem, from: [at, at] })).toEqual([`ours@${ROUNDS}`]);
    expect(await read({ filter: bySystem, from: [at, at], backwards: true, count: 1 })).toEqual([`ours@${ROUNDS - 1}`]);
  });

  it('gives nothing where nothing matches', async () => {
    const filter: RawFilter = { on: 'stream', prefixes: ['nothing-is-called-so'] };
    expect(await read({ filter })).toEqual([]);
    expect(await read({ filter, from: 'end', backwards: true })).toEqual([]);
  });
});
