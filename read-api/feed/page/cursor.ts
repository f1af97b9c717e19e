import { z } from 'zod';
import { CursorMs, CursorText } from '../../cursor.ts';

const Place = z.object({ at: CursorMs, id: CursorText });

/** A place in a feed that is ordered by time. */
export type Place = z.infer<typeof Place>;

/**
 * Where a feed goes on. `kept`: in the order of a session, of which `taken` (a bit for each place, base64url) are shown
 * or gone, and `oldest` is the oldest post shown so far, to go on from if the session is lost. `latest`: behind a place
 * in time.
 */
export const FeedCursor = z.union([
  z.object({
    order: z.literal('kept'),
    session: z.uuid(),
    taken: z
      .string()
      .max(1_000)
      .regex(/^[A-Za-z0-9_-]*$/),
    oldest: Place.optional(),
  }),
  z.object({ order: z.literal('latest'), session: z.uuid(), after: Place, lost: z.boolean().optional() }),
]);
export type FeedCursor = z.infer<typeof FeedCursor>;

/** The set of places that a text of bits stands for; places beyond `size` are left out. */
export function placesIn(bits: string, size: number): Set<number> {
  const bytes = Buffer.from(bits, 'base64url');
  const places = new Set<number>();
  for (let place = 0; place < Math.min(size, bytes.length * 8); place += 1) {
    if (((bytes[place >> 3] ?? 0) >> (place & 7)) & 1) places.add(place);
  }
  return places;
}

/** A set of places as text. */
export function bitsOf(places: ReadonlySet<number>): string {
  const bytes = Buffer.alloc((Math.max(-1, ...places) + 8) >> 3);
  for (const place of places) bytes[place >> 3] = (bytes[place >> 3] ?? 0) | (1 << (place & 7));
  return bytes.toString('base64url');
}
