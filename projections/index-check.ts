import type { Entry } from '../infra/sorted-indexes.ts';
import { fillAbsent } from './computed-index.ts';
import { idOfKey, keysOf } from './lane-keys.ts';
import type { KeyDifference, LaneContext, LaneProjection } from './lane-projection.ts';

/** Indexes of one kind, and the definition that they must equal. */
export type DefinedIndexes = {
  /** Their word in Redis keys. */
  readonly keys: string;
  readonly entries: number;
  /** What each index must hold at `now`, newest first. */
  readonly define: (context: LaneContext, ids: readonly string[], now: Date) => Promise<Map<string, Entry[]>>;
  /** Entries with this score or less do not count at `now`; lanes do not wake up to remove what merely grew old. */
  readonly expiredAt: (now: Date) => number;
};

const KEYS_PER_STEP = 200;

/** Compares the indexes that exist (all, a sample, or some keys) with the definition. */
export async function* differencesOf(context: LaneContext, indexes: DefinedIndexes, options: Parameters<LaneProjection['differences']>[1]): AsyncGenerator<KeyDifference> {
  let left = options.sample ?? Number.POSITIVE_INFINITY;
  for await (const scanned of keysToCheck(context, indexes, options.only)) {
    const keys = scanned.slice(0, left);
    for (let at = 0; at < keys.length; at += KEYS_PER_STEP) {
      const step = keys.slice(at, at + KEYS_PER_STEP);
      yield* compare(context, indexes, step);
      options.checked?.(step.length);
    }
    left -= keys.length;
    if (left <= 0) return;
  }
}

async function* keysToCheck({ indexes, prefix }: LaneContext, { keys }: DefinedIndexes, only: readonly string[] | undefined): AsyncGenerator<string[]> {
  const start = `${prefix}:${keys}:`;
  if (only === undefined) yield* indexes.scan(start);
  else yield only.filter((key) => key.startsWith(start));
}

async function* compare(context: LaneContext, { entries, define, expiredAt }: DefinedIndexes, keys: readonly string[]): AsyncGenerator<KeyDifference> {
  const now = context.now();
  const found = await context.indexes.newest(keys, { limit: entries, renewMs: 0 });
  const complete = keys.flatMap((key, i) => {
    const at = found[i];
    return at?.state === 'complete' ? [{ key, live: at.entries.filter(({ score }) => score > expiredAt(now)) }] : [];
  });
  const expected = await define(context, complete.map(({ key }) => idOfKey(key)), now);
  for (const { key, live } of complete) {
    const should = expected.get(idOfKey(key)) ?? [];
    if (!sameEntries(live, should)) yield { key, live, expected: should };
  }
}

function sameEntries(one: readonly Entry[], other: readonly Entry[]): boolean {
  return one.length === other.length && one.every(({ id, score }, i) => id === other[i]?.id && score === other[i].score);
}

/** Fills a new build: computes, under leases, every index that the build in use has. */
export async function fillFrom(context: LaneContext, { keys: word, entries, define }: DefinedIndexes, { from, report, signal }: Parameters<LaneProjection['build']>[1]): Promise<void> {
  if (from === undefined) return;
  const keyOf = keysOf(context.prefix, word);
  const compute = (ids: readonly string[]) => define(context, ids, context.now());
  let done = 0;
  for await (const keys of from.indexes.scan(`${from.prefix}:${word}:`)) {
    for (let at = 0; at < keys.length && !signal.aborted; at += KEYS_PER_STEP) {
      const ids = keys.slice(at, at + KEYS_PER_STEP).map(idOfKey);
      await fillAbsent(context.indexes, ids.map((id) => ({ id, key: keyOf(id) })), { limit: entries, compute });
      done += ids.length;
      report(done);
    }
  }
}
