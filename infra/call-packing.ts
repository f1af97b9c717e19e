import type { Change } from './sorted-indexes.ts';

const KEYS_PER_CALL = 1_000;
/** Additions and removals, so that one call does not hold up Redis when each index gets many. */
const DELIVERIES_PER_CALL = 4_000;
/** Lua takes no more values at once from its stack than some thousands. */
const ADDITIONS_PER_SEGMENT = 1_000;

export type Packed = { keys: string[]; args: (string | number)[]; deliveries: number };

/** Packs changes into calls of a bounded size, each with the keys of one group. */
export function* packedCalls(changes: readonly Change[], groupOf: (key: string) => string): Generator<[group: string, packed: Packed]> {
  const open = new Map<string, Packed>();
  for (const { keys, add, remove } of changes.flatMap(portions)) {
    const tail: (string | number)[] = [add.length, remove.length];
    for (const { id, score } of add) tail.push(score, id);
    tail.push(...remove);
    const each = add.length + remove.length;
    if (each === 0) continue;
    for (const [group, ofGroup] of grouped(keys, groupOf)) yield* pack(open, group, { keys: ofGroup, tail, each });
  }
  yield* open;
}

function portions(change: Change): Change | Change[] {
  if (change.add.length <= ADDITIONS_PER_SEGMENT) return change;
  const { keys, add, remove } = change;
  return Array.from({ length: Math.ceil(add.length / ADDITIONS_PER_SEGMENT) }, (_, i) => ({
    keys, add: add.slice(i * ADDITIONS_PER_SEGMENT, (i + 1) * ADDITIONS_PER_SEGMENT), remove: i === 0 ? remove : [],
  }));
}

type Segment = { keys: readonly string[]; tail: readonly (string | number)[]; each: number };

function* pack(open: Map<string, Packed>, group: string, { keys, tail, each }: Segment): Generator<[group: string, packed: Packed]> {
  for (let at = 0; at < keys.length;) {
    const packed = open.get(group) ?? { keys: [], args: [], deliveries: 0 };
    open.set(group, packed);
    const room = Math.min(KEYS_PER_CALL - packed.keys.length, Math.max(1, Math.floor((DELIVERIES_PER_CALL - packed.deliveries) / each)));
    const part = keys.slice(at, at + room);
    packed.keys.push(...part);
    packed.args.push(part.length, ...tail);
    packed.deliveries += part.length * each;
    at += part.length;
    if (packed.keys.length < KEYS_PER_CALL && packed.deliveries < DELIVERIES_PER_CALL) continue;
    open.delete(group);
    yield [group, packed];
  }
}

export function* chunksByGroup(keys: readonly string[], groupOf: (key: string) => string): Generator<[group: string, keys: string[]]> {
  for (const [group, ofGroup] of grouped(keys, groupOf)) {
    for (let at = 0; at < ofGroup.length; at += KEYS_PER_CALL) yield [group, ofGroup.slice(at, at + KEYS_PER_CALL)];
  }
}

function grouped(keys: readonly string[], groupOf: (key: string) => string): Iterable<[group: string, keys: readonly string[]]> {
  return groupOf === oneGroup ? [['', keys]] : Map.groupBy(keys, groupOf);
}

export const oneGroup = () => '';
