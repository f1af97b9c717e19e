import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { StreamEvent } from './index-records.ts';
import { RecentLog } from './recent-log.ts';
import type { LogGroup } from './recent-log.ts';
import { EMPTY_STREAM } from '../stream-state.ts';
import type { StreamState } from '../stream-state.ts';

const STREAMS = ['a', 'b', 'c'];
/** Groups as the streams that their events go to. */
const plans = fc.array(fc.array(fc.constantFrom(...STREAMS), { minLength: 1, maxLength: 6 }), { maxLength: 12 });

function groupsOf(plan: string[][]): LogGroup[] {
  const revisions = new Map<string, number>();
  let end = 256;
  return plan.map((streams) => {
    const start = end;
    const states = new Map<string, StreamState>();
    const events = streams.map((streamName) => {
      const revision = (revisions.get(streamName) ?? -1) + 1;
      revisions.set(streamName, revision);
      states.set(streamName, { ...EMPTY_STREAM, revision });
      const position = end;
      end += 10;
      return { streamName, revision, position };
    });
    const records = events.map(({ position }) => Buffer.from(String(position).padStart(10)));
    return { start, end, records, events, states };
  });
}

it('finds exactly what was added and not dropped, by position, by stream and in both directions', () => {
  fc.assert(
    fc.property(plans, fc.nat(), fc.nat(300), (plan, drop, from) => {
      const groups = groupsOf(plan);
      const dropped = drop % (groups.length + 1);
      const recent = new RecentLog();
      for (const group of groups) recent.add(group);
      recent.drop(groups[dropped - 1]?.end ?? 0);
      const kept = groups.slice(dropped);
      const events = kept.flatMap((group) => group.events);

      expect(recent.bytes).toBe(events.length * 10);
      expect(recent.start).toBe(kept[0]?.start ?? Infinity);
      const at = 256 + from;
      expect([...recent.forward(at)].map(({ position }) => position)).toEqual(
        events.map(({ position }) => position).filter((p) => p >= at),
      );
      expect([...recent.backward(at)].map(({ position }) => position)).toEqual(
        events
          .map(({ position }) => position)
          .filter((p) => p < at)
          .reverse(),
      );
      for (const group of groups) {
        for (const { position } of group.events) {
          const expected = kept.includes(group) ? String(position).padStart(10) : undefined;
          expect(recent.recordAt(position)?.toString()).toBe(expected);
          expect(recent.recordAt(position + 1)).toBeUndefined();
        }
      }
      expectStreams(recent, events);
    }),
  );
});

function expectStreams(recent: RecentLog, events: readonly StreamEvent[]): void {
  for (const stream of STREAMS) {
    const own = events
      .filter(({ streamName }) => streamName === stream)
      .map(({ revision, position }) => ({ revision, position }));
    expect(recent.firstRevision(stream)).toBe(own[0]?.revision ?? Infinity);
    expect(recent.stateOf(stream)?.revision).toBe(own.at(-1)?.revision);
    expect(recent.events(stream, { from: 0, to: 1000 }, 3)).toEqual(own.slice(0, 3));
    expect(recent.events(stream, { from: 1000, to: 0 }, 3)).toEqual(own.toReversed().slice(0, 3));
  }
}

it('goes on after everything was dropped', () => {
  const groups = groupsOf([['a'], ['a', 'b'], ['a']]);
  const recent = new RecentLog();
  for (const group of groups) {
    recent.add(group);
    recent.drop(group.end);
    expect([recent.bytes, recent.start, recent.firstRevision('a')]).toEqual([0, Infinity, Infinity]);
    expect(recent.stateOf('a')).toBeUndefined();
  }
});
