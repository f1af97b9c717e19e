import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RecentEvents } from './recent-events.ts';

const event = (revision: number) => ({ streamName: 'stream', revision, position: revision });

it('knows the last events, as many as it was told to, and not very many more', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.nat(300), (capacity, count) => {
      const recent = new RecentEvents(capacity);
      for (let number = 0; number < count; number++) recent.add(String(number), event(number));
      const known = Array.from({ length: count }, (_, number) => number).filter(
        (number) => recent.get(String(number)) !== undefined,
      );
      expect(known).toEqual(Array.from({ length: known.length }, (_, index) => count - known.length + index));
      expect(known.length).toBeGreaterThanOrEqual(Math.min(capacity, count));
      expect(known.length).toBeLessThanOrEqual(2 * capacity);
    }),
  );
});

it('knows the first place of an id, until that is forgotten', () => {
  const recent = new RecentEvents(2);
  expect(['a', 'b', 'a'].map((id, revision) => recent.add(id, event(revision)))).toEqual([true, true, false]);
  expect(recent.get('a')).toEqual(event(0));
  expect(recent.add('c', event(3))).toBe(true);
  expect(recent.add('a', event(4))).toBe(false);
  for (const id of ['d', 'e']) recent.add(id, event(5));
  expect(recent.get('a')).toBeUndefined();
  expect(recent.add('a', event(6))).toBe(true);
  expect(recent.get('a')).toEqual(event(6));
});

it('forgets what it is told to, old or new', () => {
  const recent = new RecentEvents(2);
  for (const id of ['a', 'b', 'c']) recent.add(id, event(1));
  recent.remove(['a', 'c']);
  expect([recent.get('a'), recent.get('b'), recent.get('c')]).toEqual([undefined, event(1), undefined]);
});
