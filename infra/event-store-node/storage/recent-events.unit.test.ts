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

it('forgets what it is told to, old or new, and knows the last place of an id', () => {
  const recent = new RecentEvents(2);
  for (const id of ['a', 'b', 'c', 'a']) recent.add(id, event(id === 'a' ? 7 : 1));
  expect(recent.get('a')).toEqual(event(7));
  recent.remove(['a', 'b']);
  expect([recent.get('a'), recent.get('b'), recent.get('c')]).toEqual([undefined, undefined, event(1)]);
});
