import { z } from 'zod';
import { cursorTo, encode } from './cursor.ts';

const LIMIT = { usual: 20, most: 100 };

export const Pagination = z.object({
  next_cursor: z
    .string()
    .nullable()
    .meta({ description: 'Send it back as `cursor` for the next page; null on the last one' }),
  has_more: z.boolean(),
});

/**
 * The query of a list: `limit` and an opaque `cursor`, which must hold a place of this kind; anything else is a 400.
 */
export function pageQuery<Place extends z.ZodType>(place: Place) {
  return z.object({
    cursor: cursorTo(place).optional(),
    limit: z.coerce.number().int().min(1).max(LIMIT.most).default(LIMIT.usual),
  });
}

export type PageOf<Row> = { readonly items: readonly Row[]; readonly pagination: z.input<typeof Pagination> };

/** Cuts a page out of rows of which one more than `limit` was asked for, and tells where the next one begins. */
export function pageOf<Row>(rows: readonly Row[], limit: number, placeOf: (row: Row) => unknown): PageOf<Row> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const hasMore = rows.length > limit && last !== undefined;
  return { items, pagination: { next_cursor: hasMore ? encode(placeOf(last)) : null, has_more: hasMore } };
}
