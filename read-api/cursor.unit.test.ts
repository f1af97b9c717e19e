import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { CursorCount, CursorRank, cursorTo, CursorText, CursorTime, encode, TimeCursor } from './cursor.ts';
import { FeedCursor } from './feed/page/cursor.ts';

const Ranked = z.object({ rank: CursorRank, weight: CursorCount, id: CursorText });
const takes = (schema: z.ZodType, place: unknown) => cursorTo(schema).safeParse(encode(place)).success;

describe('a cursor', () => {
  it('comes back as the place that it was made of', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true }),
        fc.string({ unit: 'grapheme', maxLength: 60 }).filter((id) => !id.includes('\u0000')),
        (date, id) => {
          const place = { at: date.toISOString(), id };
          expect(cursorTo(TimeCursor).parse(encode(place))).toEqual(place);
        },
      ),
    );
  });

  it.each([
    ['a zero character', TimeCursor, { at: '2026-01-01T00:00:00.000Z', id: 'post_\u0000' }],
    ['half of a surrogate pair', TimeCursor, { at: '2026-01-01T00:00:00.000Z', id: 'post_\ud800' }],
    ['the year 0000', TimeCursor, { at: '0000-01-01T00:00:00.000Z', id: 'post_x' }],
    ['a rank beyond an integer of 32 bits', Ranked, { rank: Number.MAX_SAFE_INTEGER, weight: 1, id: 'x' }],
    ['a rank below 0', Ranked, { rank: Number.MIN_SAFE_INTEGER, weight: 1, id: 'x' }],
    ['a weight below 0', Ranked, { rank: 1, weight: Number.MIN_SAFE_INTEGER, id: 'x' }],
    [
      'a time in a feed that no date has',
      FeedCursor,
      { order: 'latest', session: '7f1c9a1e-8f2b-4a57-9c56-0c8f6a1f2b3c', after: { at: 1e18, id: 'post_x' } },
    ],
    [
      'a time in a feed before 1970',
      FeedCursor,
      { order: 'latest', session: '7f1c9a1e-8f2b-4a57-9c56-0c8f6a1f2b3c', after: { at: -1, id: 'post_x' } },
    ],
    ['levels upon levels', z.array(z.unknown()), [[[[[[]]]]]]],
  ])('is refused when it was forged with %s', (_what, schema, place) => {
    expect(takes(schema, place)).toBe(false);
  });

  it('is refused when it is no text of ours', () => {
    for (const text of ['', 'a b', '\u0000', `${encode({})}=`, 'x'.repeat(2_000)])
      expect(cursorTo(z.unknown()).safeParse(text).success, text).toBe(false);
  });

  it('takes times of the years that every store holds', () => {
    expect(['1970-01-01T00:00:00Z', '9999-12-31T23:59:59Z'].map((at) => CursorTime.safeParse(at).success)).toEqual([
      true,
      true,
    ]);
    expect(
      ['1969-12-31T23:59:59Z', '2026-02-30T00:00:00Z', '+275760-09-13T00:00:00Z'].map(
        (at) => CursorTime.safeParse(at).success,
      ),
    ).toEqual([false, false, false]);
  });
});
