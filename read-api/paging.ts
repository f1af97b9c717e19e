import { z } from 'zod';

const LIMIT = { usual: 20, most: 100 };

/** Where a list of newest or oldest first goes on. */
export const TimeCursor = z.object({ at: z.iso.datetime(), id: z.string().max(200) });

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
    cursor: z
      .string()
      .max(1_000)
      .transform((text, context): z.output<Place> => {
        const parsed = place.safeParse(decode(text));
        if (parsed.success) return parsed.data;
        context.addIssue({ code: 'custom', message: 'must be the next_cursor of a page of this list' });
        return z.NEVER;
      })
      .optional(),
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

/** A place as an opaque text. */
export function encode(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

function decode(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
