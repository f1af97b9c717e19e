import { describe, expect, it } from 'vitest';
import { RecentMap } from './expiring-map.ts';

describe('a map of what was set lately', () => {
  it('gives an entry for three quarters of its lifetime at least, and never for longer', () => {
    const map = new RecentMap<number, number>({ most: 1_000, lifetimeMs: 100 });
    const keys = Array.from({ length: 1_000 }, (_, key) => key);
    for (const key of keys) map.set(key, key, 1_000);
    const left = (now: number) => keys.filter((key) => map.get(key, now) === key).length;
    expect([left(1_075), left(1_100)]).toEqual([1_000, 0]);
    expect(left(1_090)).toBeGreaterThan(0);
    expect(left(1_090)).toBeLessThan(1_000);
    expect(map.get(-1, 1_000)).toBeUndefined();
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
