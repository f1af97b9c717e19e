import { z } from 'zod';
import { DELETED, NO_LIMITS } from '../stream-state.ts';
import type { StreamLimits } from '../stream-state.ts';

const TRUNCATE_ALL = 0x7fffffffffffffffn;
const GREATEST_SECONDS = 922_337_203_685n;

/** A number as it stands in the JSON text: `1` and `1.0` are not the same to EventStoreDB. */
class JsonNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const WholeNumberSchema = z
  .instanceof(JsonNumber)
  .refine(({ text }) => /^-?\d+$/.test(text))
  .transform(({ text }) => BigInt(text))
  .refine((number) => BigInt.asIntN(64, number) === number);
const SecondsSchema = WholeNumberSchema.refine(
  (seconds) => seconds <= GREATEST_SECONDS && seconds >= -GREATEST_SECONDS,
);
const RolesSchema = z.union([z.string(), z.array(z.string())]).optional();
const AclSchema = z.object({ $r: RolesSchema, $w: RolesSchema, $d: RolesSchema, $mr: RolesSchema, $mw: RolesSchema });

/** What the server itself reads of a stream's metadata. Whatever of it is of another kind spoils the whole. */
const MetadataSchema = z.object({
  $tb: WholeNumberSchema.optional(),
  $maxCount: WholeNumberSchema.optional(),
  $maxAge: SecondsSchema.optional(),
  $cacheControl: SecondsSchema.optional(),
  $tmp: z.boolean().optional(),
  $acl: AclSchema.optional(),
});

/**
 * The limits that a `$metadata` event sets. Metadata of which one property is of the wrong kind sets none at all, as on
 * EventStoreDB; a number out of range is only ignored itself.
 */
export function parseLimits(data: Buffer, isJson: boolean): StreamLimits {
  if (!isJson) return NO_LIMITS;
  const parsed = MetadataSchema.safeParse(parseJson(data, exactNumber));
  if (!parsed.success) return NO_LIMITS;
  const { $tb = 0n, $maxCount = 0n, $maxAge = 0n } = parsed.data;
  return {
    truncateBefore: truncateBefore($tb),
    maxCount: $maxCount > 0n ? Number($maxCount) : NO_LIMITS.maxCount,
    maxAgeMs: $maxAge > 0n ? Number($maxAge) * 1000 : NO_LIMITS.maxAgeMs,
  };
}

function truncateBefore(exact: bigint): number {
  if (exact < 0n) return NO_LIMITS.truncateBefore;
  // As a double every number near the greatest is the greatest, which alone stands for a deleted stream.
  return exact === TRUNCATE_ALL ? DELETED : Math.min(Number(exact), Number.MAX_SAFE_INTEGER);
}

/** The metadata of a soft-deleted stream with `$tb` moved to `truncateBefore`; undefined if it is not a JSON object. */
export function withTruncateBefore(data: Buffer, truncateBefore: number): string | undefined {
  const metadata = z.record(z.string(), z.unknown()).safeParse(parseJson(data));
  return metadata.success ? JSON.stringify({ ...metadata.data, $tb: truncateBefore }) : undefined;
}

/** Parses JSON; undefined for what is none. */
function parseJson(data: Buffer, revive?: typeof exactNumber): unknown {
  try {
    return JSON.parse(data.toString(), revive);
  } catch {
    return undefined;
  }
}

/** A reviver that keeps numbers as they are written. */
function exactNumber(this: unknown, _key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === 'number' ? new JsonNumber(context?.source ?? '') : value;
}
