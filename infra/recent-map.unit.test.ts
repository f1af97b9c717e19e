import { describe, expect, it } from 'vitest';
import { RecentMap } from './recent-map.ts';

describe('a map of what was set lately', () => {
  it('gives an entry until its lifetime is over', () => {
    const map = new RecentMap<string, number>({ most: 10, lifetimeMs: 100 });
    map.set('a', 1, 1_000);
    expect([map.get('a', 1_099), map.get('a', 1_100), map.get('b', 1_000)]).toEqual([1, undefined, undefined]);
  });

  it('lets the one go that was set first, whatever was looked at', () => {
    const map = new RecentMap<string, number>({ most: 2, lifetimeMs: 100 });
    map.set('a', 1, 0);
    map.set('b', 2, 0);
    map.set('a', 3, 0);
    map.get('b', 0);
    map.set('c', 4, 0);
    expect(['a', 'b', 'c'].map((key) => map.get(key, 0))).toEqual([3, undefined, 4]);
  });

  it('forgets one, or all', () => {
    const map = new RecentMap<string, number>({ most: 2, lifetimeMs: 100 });
    map.set('a', 1, 0);
    map.set('b', 2, 0);
    map.delete('a');
    expect([map.get('a', 0), map.get('b', 0)]).toEqual([undefined, 2]);
    map.clear();
    expect(map.get('b', 0)).toBeUndefined();
  });
});
