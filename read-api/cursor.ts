import { z } from 'zod';
import { nestsDeeper } from '../infra/http/json-depth.ts';
import { unstorableTexts } from '../infra/http/unstorable-text.ts';

const CHARACTERS_AT_MOST = 1_000;
const LEVELS_AT_MOST = 4;
/** The last millisecond of the year 9999, which every store of ours can hold. */
const LAST_MS = 253_402_300_799_999;

/** An opaque cursor as it travels. */
const Opaque = z
  .string()
  .max(CHARACTERS_AT_MOST)
  .regex(/^[A-Za-z0-9_-]+$/, 'must be the next_cursor of a page of this list');

// What cursors are made of. A client may forge one, so each part is bounded to what a query takes: anything else is a
// 400.
/** A time in ISO 8601, from 1970 to 9999. */
export const CursorTime = z.iso.datetime().refine((text) => CursorMs.safeParse(Date.parse(text)).success);
/** A time in milliseconds, likewise. */
export const CursorMs = z.number().min(0).max(LAST_MS);
/** How often something was counted. */
export const CursorCount = z.int().min(0);
/** A rank, lower is better. */
export const CursorRank = z.int().min(0).max(9);
/** A score that is not below 0. */
export const CursorScore = z.number().min(0).max(1e12);
/** An id, or a hashtag. */
export const CursorText = z.string().max(200);

/** A place in a list of newest or oldest first. */
export const TimeCursor = z.object({ at: CursorTime, id: CursorText });

/** A place as an opaque text. */
export function encode(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** The schema of a `cursor` that holds a place of one kind; what `encode` did not make of such a place is refused. */
export function cursorTo<Place extends z.ZodType>(place: Place) {
  return Opaque.transform((text, context): z.output<Place> => {
    const parsed = place.safeParse(decode(text));
    if (parsed.success) return parsed.data;
    context.addIssue({ code: 'custom', message: 'must be the next_cursor of a page of this list' });
    return z.NEVER;
  });
}

function decode(text: string): unknown {
  const json = Buffer.from(text, 'base64url');
  if (nestsDeeper(json, LEVELS_AT_MOST)) return undefined;
  try {
    const place: unknown = JSON.parse(json.toString('utf8'));
    return unstorableTexts(place).length > 0 ? undefined : place;
  } catch {
    return undefined;
  }
}
