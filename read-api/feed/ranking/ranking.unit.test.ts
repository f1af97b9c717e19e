import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  engagementOf,
  newestFirst,
  rank,
  spreadAuthors,
  withRecommendations,
  type Rankable,
  type Taste,
} from './ranking.ts';

const NOW = Date.parse('2026-06-01T12:00:00.000Z');
const HOUR_MS = 3_600_000;
const nobody: Taste = { authors: new Map(), tags: new Map() };
const post = (id: string, change: Partial<Rankable> = {}): Rankable => ({
  id,
  author: 'ann',
  at: NOW,
  engagement: 0,
  tags: [],
  ...change,
});
const ids = (posts: readonly Rankable[]) => posts.map(({ id }) => id);

describe('ranking', () => {
  it('puts what is new, close, interesting or engaging first, each by its weight', () => {
    const old = post('old', { at: NOW - 24 * HOUR_MS });
    const fresh = post('fresh');
    const close = post('close', { author: 'ben', at: NOW - 24 * HOUR_MS });
    const interesting = post('interesting', { tags: ['sea'], at: NOW - 24 * HOUR_MS });
    const engaging = post('engaging', { engagement: 1, at: NOW - 24 * HOUR_MS });
    const taste: Taste = { authors: new Map([['ben', 1]]), tags: new Map([['sea', 1]]) };
    expect(ids(rank([old, engaging, fresh, close, interesting], taste, NOW))).toEqual([
      'interesting',
      'close',
      'fresh',
      'engaging',
      'old',
    ]);
  });

  it('orders posts with the same score by time and id, whatever order they come in', () => {
    const posts = [
      post('a', { at: NOW - 100 * 24 * HOUR_MS }),
      post('b', { at: NOW - 100 * 24 * HOUR_MS }),
      post('c', { at: NOW - 99 * 24 * HOUR_MS }),
    ];
    expect(ids(rank(posts, nobody, NOW))).toEqual(['c', 'b', 'a']);
    expect(ids(rank(posts.toReversed(), nobody, NOW))).toEqual(['c', 'b', 'a']);
  });

  it('ranks two hundred of many by the first stage', () => {
    const many = Array.from({ length: 500 }, (_, i) =>
      post(`p${String(i).padStart(3, '0')}`, { at: NOW - i * HOUR_MS }),
    );
    expect(ids(rank(many, nobody, NOW))).toEqual(ids(many.slice(0, 200)));
  });

  it('gives nothing for nothing, and takes posts from the future as new', () => {
    expect(rank([], nobody, NOW)).toEqual([]);
    expect(ids(rank([post('x'), post('y', { at: NOW + HOUR_MS })], nobody, NOW))).toEqual(['y', 'x']);
  });
});

describe('engagement', () => {
  it('grows with each kind of act, likes most', () => {
    const none = engagementOf({ likes: 0, comments: 0, saves: 0 });
    expect(none).toBe(0);
    expect(engagementOf({ likes: 10, comments: 0, saves: 0 })).toBeGreaterThan(
      engagementOf({ likes: 0, comments: 10, saves: 0 }),
    );
    expect(engagementOf({ likes: 0, comments: 10, saves: 0 })).toBeGreaterThan(
      engagementOf({ likes: 0, comments: 0, saves: 10 }),
    );
  });
});

describe('recommendations', () => {
  it('make up 10 to 20 % of every page of twenty, as long as there are enough', () => {
    const mixed = withRecommendations(
      Array.from({ length: 200 }, (_, i) => `p${String(i)}`),
      Array.from({ length: 40 }, (_, i) => `r${String(i)}`),
    );
    for (let at = 0; at + 20 <= mixed.length; at += 20) {
      const share = mixed.slice(at, at + 20).filter((id) => id.startsWith('r')).length / 20;
      expect(share).toBeGreaterThanOrEqual(0.1);
      expect(share).toBeLessThanOrEqual(0.2);
    }
  });

  it('neither repeat a post of the feed nor make a list longer than both', () => {
    expect(withRecommendations(['a', 'b', 'c', 'd', 'e', 'f', 'g'], ['c', 'r'])).toEqual([
      'a',
      'b',
      'c',
      'd',
      'e',
      'f',
      'r',
      'g',
    ]);
    expect(withRecommendations([], ['r'])).toEqual([]);
  });
});

describe('spreading authors', () => {
  it('shows at most three posts of one author on a page while others can fill it', () => {
    const ranked = [
      ...Array.from({ length: 6 }, (_, i) => post(`a${String(i)}`)),
      ...Array.from({ length: 4 }, (_, i) => post(`b${String(i)}`, { author: `b${String(i)}` })),
    ];
    expect(ids(spreadAuthors(ranked, 5).posts)).toEqual(['a0', 'a1', 'a2', 'b0', 'b1', 'a3', 'a4', 'a5', 'b2', 'b3']);
  });

  it('fills a page that would be short with the same author', () => {
    expect(
      ids(
        spreadAuthors(
          Array.from({ length: 5 }, (_, i) => post(`a${String(i)}`)),
          5,
        ).posts,
      ),
    ).toEqual(['a0', 'a1', 'a2', 'a3', 'a4']);
  });

  it('says from where on there were too few authors', () => {
    const ranked = [
      ...Array.from({ length: 6 }, (_, i) => post(`a${String(i)}`)),
      post('b0', { author: 'ben' }),
      post('c0', { author: 'cat' }),
    ];
    expect(spreadAuthors(ranked, 5).relaxedFrom).toBe(8);
    expect(spreadAuthors(ranked, 6).relaxedFrom).toBe(5);
    expect(spreadAuthors([], 5).relaxedFrom).toBe(0);
  });

  it('loses and repeats nothing', () => {
    const posts = fc
      .array(fc.record({ author: fc.constantFrom('a', 'b', 'c', 'd'), at: fc.nat(1_000) }))
      .map((all) => all.map((one, i) => post(`p${String(i)}`, one)));
    fc.assert(
      fc.property(posts, fc.integer({ min: 1, max: 30 }), (ranked, page) => {
        expect(ids(spreadAuthors(ranked, page).posts).sort()).toEqual(ids(ranked).sort());
      }),
    );
  });
});

describe('newest first', () => {
  it('is a total order', () => {
    expect([post('a'), post('b'), post('c', { at: NOW + 1 }), post('a')].sort(newestFirst).map(({ id }) => id)).toEqual(
      ['c', 'b', 'a', 'a'],
    );
  });
});
