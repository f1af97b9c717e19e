import type { Change, Entry } from './sorted-index.ts';

const KEYS_PER_CALL = 1_000;
/** Additions and removals, so that one call does not hold up Redis when each index gets many. */
const DELIVERIES_PER_CALL = 4_000;
/** Lua takes no more values at once from its stack than some thousands. */
const ADDITIONS_PER_SEGMENT = 1_000;

export type Packed = { keys: string[]; args: (string | number)[]; deliveries: number };

/** Packs changes into calls of a bounded size, each with the keys of one group. */
export function* packedCalls(
  changes: readonly Change[],
  groupOf: (key: string) => string,
): Generator<[group: string, packed: Packed]> {
  const open = new Map<string, Packed>();
  const additionsOf = additionsWriter();
  for (const { keys, add, remove } of changes.flatMap(portions)) {
    const each = add.length + remove.length;
    if (each === 0) continue;
    const tail: Tail = [additionsOf(add), remove.length === 0 ? '' : JSON.stringify(remove)];
    for (const [group, ofGroup] of grouped(keys, groupOf)) yield* pack(open, group, { keys: ofGroup, tail, each });
  }
  yield* open;
}

/**
 * Writes additions as JSON. One entry goes to many indexes, mostly beside others than in the last: its own part is
 * written once.
 */
function additionsWriter(): (add: readonly Entry[]) => string {
  const written = new Map<Entry, string>();
  const partOf = (entry: Entry) => {
    const known = written.get(entry);
    if (known !== undefined) return known;
    const part = `${JSON.stringify(String(entry.score))},${JSON.stringify(entry.id)}`;
    written.set(entry, part);
    return part;
  };
  return (add) => {
    if (add.length === 0) return '';
    let parts = '';
    for (const entry of add) parts += parts === '' ? partOf(entry) : `,${partOf(entry)}`;
    return `[${parts}]`;
  };
}

function portions(change: Change): Change | Change[] {
  if (change.add.length <= ADDITIONS_PER_SEGMENT) return change;
  const { keys, add, remove } = change;
  return Array.from({ length: Math.ceil(add.length / ADDITIONS_PER_SEGMENT) }, (_, i) => ({
    keys,
    add: add.slice(i * ADDITIONS_PER_SEGMENT, (i + 1) * ADDITIONS_PER_SEGMENT),
    remove: i === 0 ? remove : [],
  }));
}

/** Additions and removals as index_apply takes them. */
type Tail = readonly [additions: string, removals: string];
type Segment = { keys: readonly string[]; tail: Tail; each: number };

function* pack(
  open: Map<string, Packed>,
  group: string,
  { keys, tail, each }: Segment,
): Generator<[group: string, packed: Packed]> {
  for (let at = 0; at < keys.length;) {
    const packed = open.get(group) ?? { keys: [], args: [], deliveries: 0 };
    open.set(group, packed);
    const room = Math.min(
      KEYS_PER_CALL - packed.keys.length,
      Math.max(1, Math.floor((DELIVERIES_PER_CALL - packed.deliveries) / each)),
    );
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

export function* chunksByGroup(
  keys: readonly string[],
  groupOf: (key: string) => string,
): Generator<[group: string, keys: string[]]> {
  for (const [group, ofGroup] of grouped(keys, groupOf)) {
    for (let at = 0; at < ofGroup.length; at += KEYS_PER_CALL) yield [group, ofGroup.slice(at, at + KEYS_PER_CALL)];
  }
}

function grouped(
  keys: readonly string[],
  groupOf: (key: string) => string,
): Iterable<[group: string, keys: readonly string[]]> {
  return groupOf === oneGroup ? [['', keys]] : Map.groupBy(keys, groupOf);
}

export const oneGroup = () => '';
