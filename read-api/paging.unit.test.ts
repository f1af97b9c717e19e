import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encode, TimeCursor } from './cursor.ts';
import { pageOf, pageQuery } from './paging.ts';

const query = pageQuery(TimeCursor);

describe('pageQuery', () => {
  it('gives 20 items unless asked otherwise, and at most 100', () => {
    expect(query.parse({})).toEqual({ limit: 20 });
    expect(query.parse({ limit: '100' })).toEqual({ limit: 100 });
    for (const limit of ['0', '101', '1.5', 'many', '']) expect(query.safeParse({ limit }).success, limit).toBe(false);
  });

  it('takes back every cursor that it gave, and no other text', () => {
    const place = { at: '2026-01-01T00:00:00.000Z', id: 'post_x' };
    expect(query.parse({ cursor: encode(place) }).cursor).toEqual(place);
    fc.assert(fc.property(fc.string(), (cursor) => query.safeParse({ cursor }).success === false));
  });
});

describe('pageOf', () => {
  it('leads through all rows once, in order', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 1, max: 10 }), (count, limit) => {
        const rows = Array.from({ length: count }, (_, i) => i);
        const seen: number[] = [];
        for (let after = -1, more = true; more;) {
          const { items, pagination } = pageOf(
            rows.filter((row) => row > after).slice(0, limit + 1),
            limit,
            (row) => row,
          );
          seen.push(...items);
          after = items.at(-1) ?? after;
          more = pagination.has_more;
          expect(pagination.next_cursor === null).toBe(!more);
        }
        expect(seen).toEqual(rows);
      }),
    );
  });
});
