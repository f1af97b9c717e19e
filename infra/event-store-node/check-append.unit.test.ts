import { describe, expect, it } from 'vitest';
import { checkAppend } from './check-append.ts';
import type { AppendDecision, ExpectedRevision } from './check-append.ts';
import { DELETED, EMPTY_STREAM, NO_LIMITS } from './stream-state.ts';
import type { StreamState } from './stream-state.ts';

const WRITE: AppendDecision = { kind: 'write', undelete: false };
const UNDELETE: AppendDecision = { kind: 'write', undelete: true };
const GONE: AppendDecision = { kind: 'stream-deleted' };
const at = (revision: bigint): ExpectedRevision => ({ kind: 'revision', revision });
const wrong = (current: number): AppendDecision => ({ kind: 'wrong-expected-revision', current });
const written = (revision: number): AppendDecision => ({
  kind: 'already-written',
  revision,
  position: 1000 + revision,
});

/** A stream with the events e0, e1, ... */
function decide(
  state: StreamState,
  expected: ExpectedRevision,
  eventIds: string[],
  hasMetadata = false,
): AppendDecision {
  const numberOf = (id: string): number => Number(id.slice(1));
  const isWritten = (id: string): boolean => /^e\d+$/.test(id) && numberOf(id) <= state.revision;
  return checkAppend(
    { streamName: 'stream', state, expected, eventIds, hasMetadata: () => hasMetadata },
    {
      recent: (id) =>
        isWritten(id) ? { streamName: 'stream', revision: numberOf(id), position: 1000 + numberOf(id) } : undefined,
      at: (revision) => (revision <= state.revision ? { id: `e${revision}`, position: 1000 + revision } : undefined),
    },
  );
}

const empty = EMPTY_STREAM;
const three: StreamState = { ...EMPTY_STREAM, revision: 2 };
const deleted: StreamState = { ...three, limits: { ...NO_LIMITS, truncateBefore: DELETED } };
const tombstoned: StreamState = { ...three, tombstoned: true };

describe('an append', () => {
  const cases: [string, StreamState, ExpectedRevision, string[], AppendDecision][] = [
    ['any, new stream', empty, { kind: 'any' }, ['n'], WRITE],
    ['any, old stream', three, { kind: 'any' }, ['n'], WRITE],
    ['any, repeated', three, { kind: 'any' }, ['e1', 'e2'], written(2)],
    ['any, partly repeated', three, { kind: 'any' }, ['e2', 'n'], wrong(2)],
    ['any, repeated behind something new', three, { kind: 'any' }, ['n', 'e2'], WRITE],
    ['any, nothing to write', three, { kind: 'any' }, [], WRITE],
    ['no stream, new stream', empty, { kind: 'no-stream' }, ['n'], WRITE],
    ['no stream, old stream', three, { kind: 'no-stream' }, ['n'], wrong(2)],
    ['no stream, repeated', three, { kind: 'no-stream' }, ['e0', 'e1'], written(1)],
    ['no stream, repeated and more', three, { kind: 'no-stream' }, ['e0', 'e1', 'e2', 'n'], wrong(2)],
    ['no stream, nothing to write', three, { kind: 'no-stream' }, [], wrong(2)],
    ['the end', three, at(2n), ['n'], WRITE],
    ['the end, ids of before', three, at(2n), ['e2'], WRITE],
    ['before the end', three, at(0n), ['n'], wrong(2)],
    ['before the end, repeated', three, at(0n), ['e1', 'e2'], written(2)],
    ['before the end, partly repeated', three, at(0n), ['e1', 'n'], wrong(2)],
    ['behind the end', three, at(3n), ['n'], wrong(2)],
    ['far behind the end', three, at(0xffffffffffffffffn), ['n'], wrong(2)],
    ['a revision of a new stream', empty, at(0n), ['n'], wrong(-1)],
    ['an existing stream', three, { kind: 'stream-exists' }, ['n'], WRITE],
    ['an existing stream, repeated', three, { kind: 'stream-exists' }, ['e0'], written(0)],
    ['an existing stream that is new', empty, { kind: 'stream-exists' }, ['n'], wrong(-1)],
    ['any, deleted stream', deleted, { kind: 'any' }, ['n'], UNDELETE],
    ['no stream, deleted stream', deleted, { kind: 'no-stream' }, ['n'], UNDELETE],
    ['the end, deleted stream', deleted, at(2n), ['n'], UNDELETE],
    ['before the end, deleted stream', deleted, at(1n), ['n'], wrong(2)],
    ['an existing stream that is deleted', deleted, { kind: 'stream-exists' }, ['n'], GONE],
    ['any, stream with a tombstone', tombstoned, { kind: 'any' }, ['n'], GONE],
    ['repeated, stream with a tombstone', tombstoned, { kind: 'no-stream' }, ['e0'], GONE],
  ];

  it.each(cases)('that expects %s', (...[, state, expected, eventIds, decision]) => {
    expect(decide(state, expected, eventIds)).toEqual(decision);
  });

  it('takes a stream with metadata alone for existing', () => {
    expect(decide(empty, { kind: 'stream-exists' }, ['n'], true)).toEqual(WRITE);
  });
});
