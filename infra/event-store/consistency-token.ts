import { z } from 'zod';
import { OwnerId } from '../../domain/ids.ts';
import { laterOf, Position } from '../../domain/position.ts';

/**
 * What a client has seen of its own writes: everything of one log up to `position`, as far as it concerns `owners`
 * (the lanes of partitioned models). Opaque to clients.
 */
export type ConsistencyToken = {
  readonly storeId: string;
  readonly position: Position;
  /** `all` once there were too many to name. */
  readonly owners: readonly OwnerId[] | 'all';
};

/** More owners than this are carried as `all`, so that a token that joins others for ever stays a short header. */
const OWNERS_AT_MOST = 24;
const CHARACTERS_AT_MOST = 4_096;

const Wire = z.tuple([
  z.literal(1),
  z.uuid(),
  Position,
  z.union([z.array(OwnerId).max(OWNERS_AT_MOST), z.literal('all')]),
]);

/** A token as text for a header: no comma, no space. */
export function encodeToken({ storeId, position, owners }: ConsistencyToken): string {
  return Buffer.from(JSON.stringify([1, storeId, position, bounded(owners)])).toString('base64url');
}

/**
 * The token behind a text, or undefined when it is none of ours: a client may send anything, and is answered anyway.
 */
export function decodeToken(text: string): ConsistencyToken | undefined {
  if (text.length > CHARACTERS_AT_MOST) return undefined;
  try {
    const wire = Wire.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')));
    if (!wire.success) return undefined;
    const [, storeId, position, owners] = wire.data;
    return { storeId, position, owners };
  } catch {
    return undefined;
  }
}

/**
 * One token that covers all the given ones of the first one's log; tokens of other logs mean nothing there. Undefined
 * for none.
 */
export function joinTokens(tokens: readonly ConsistencyToken[]): ConsistencyToken | undefined {
  const [first, ...others] = tokens;
  if (first === undefined) return undefined;
  return others
    .filter(({ storeId }) => storeId === first.storeId)
    .reduce(join, { ...first, owners: bounded(first.owners) });
}

function join(one: ConsistencyToken, two: ConsistencyToken): ConsistencyToken {
  const owners =
    one.owners === 'all' || two.owners === 'all' ? ('all' as const) : bounded([...one.owners, ...two.owners]);
  return { storeId: one.storeId, position: laterOf(one.position, two.position), owners };
}

function bounded(owners: ConsistencyToken['owners']): ConsistencyToken['owners'] {
  if (owners === 'all') return owners;
  const distinct = [...new Set(owners)];
  return distinct.length > OWNERS_AT_MOST ? 'all' : distinct;
}
