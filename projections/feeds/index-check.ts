import type { Entry, Found } from '../../infra/redis/sorted-index.ts';
import { fillAbsent } from './computed-index.ts';
import { describe, isOutage } from '../failures.ts';
import { idOfKey, keysOf } from '../lane-keys.ts';
import type { KeyDifference, LaneContext, LaneProjection } from '../lane-projection.ts';

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
export async function* differencesOf(
  context: LaneContext,
  indexes: DefinedIndexes,
  options: Parameters<LaneProjection['differences']>[1],
): AsyncGenerator<KeyDifference> {
  for await (const keys of keysToCheck(context, indexes, options)) {
    for (let at = 0; at < keys.length; at += KEYS_PER_STEP) {
      const step = keys.slice(at, at + KEYS_PER_STEP);
      yield* compare(context, indexes, step);
      options.checked?.(step.length);
    }
  }
}

async function* keysToCheck(
  { indexes, prefix }: LaneContext,
  { keys }: DefinedIndexes,
  { only, sample }: Parameters<LaneProjection['differences']>[1],
): AsyncGenerator<string[]> {
  const start = `${prefix}:${keys}:`;
  if (only !== undefined) yield only.filter((key) => key.startsWith(start));
  else if (sample === undefined) yield* indexes.scan(start);
  else yield await drawn(indexes.scan(start), sample);
}

/** Some of the keys, each as likely as any other; names are cheap to look at, what they hold is not. */
async function drawn(scanned: AsyncIterable<string[]>, sample: number): Promise<string[]> {
  const chosen: string[] = [];
  let seen = 0;
  for await (const keys of scanned) {
    for (const key of keys) {
      seen += 1;
      const place = chosen.length < sample ? chosen.length : Math.floor(Math.random() * seen);
      if (place < sample) chosen[place] = key;
    }
  }
  return chosen;
}

async function* compare(
  context: LaneContext,
  { entries, define, expiredAt }: DefinedIndexes,
  keys: readonly string[],
): AsyncGenerator<KeyDifference> {
  const now = context.now();
  const found = await readEach(context, keys, entries);
  const complete = keys.flatMap((key, i) => {
    const at = found[i];
    if (at === undefined) return [];
    if (typeof at === 'string') return [{ key, live: [], broken: at }];
    return at.state === 'complete' ? [{ key, live: at.entries.filter(({ score }) => score > expiredAt(now)) }] : [];
  });
  const expected = await define(
    context,
    complete.map(({ key }) => idOfKey(key)),
    now,
  );
  for (const one of complete) {
    const should = expected.get(idOfKey(one.key)) ?? [];
    if ('broken' in one || !sameEntries(one.live, should)) yield { ...one, expected: should };
  }
}

/** What each key holds, or why it cannot be read: one that is broken must not hide what the others hold. */
async function readEach(
  context: LaneContext,
  keys: readonly string[],
  limit: number,
): Promise<(Found | string | undefined)[]> {
  const read = (some: readonly string[]) => context.indexes.newest(some, { limit, renewMs: 0 });
  try {
    return await read(keys);
  } catch (error) {
    if (isOutage(error)) throw error;
    return Promise.all(
      keys.map((key) =>
        read([key]).then(
          ([one]) => one,
          (why: unknown) => {
            if (isOutage(why)) throw why;
            return describe(why);
          },
        ),
      ),
    );
  }
}

function sameEntries(one: readonly Entry[], other: readonly Entry[]): boolean {
  return (
    one.length === other.length && one.every(({ id, score }, i) => id === other[i]?.id && score === other[i].score)
  );
}

/** Fills a new build: computes, under leases, every index that the build in use has. */
export async function fillFrom(
  context: LaneContext,
  { keys: word, entries, define }: DefinedIndexes,
  { from, report, signal }: Parameters<LaneProjection['build']>[1],
): Promise<void> {
  if (from === undefined) return;
  const keyOf = keysOf(context.prefix, word);
  const compute = (ids: readonly string[]) => define(context, ids, context.now());
  let done = 0;
  for await (const keys of from.indexes.scan(`${from.prefix}:${word}:`)) {
    for (let at = 0; at < keys.length && !signal.aborted; at += KEYS_PER_STEP) {
      const ids = keys.slice(at, at + KEYS_PER_STEP).map(idOfKey);
      await fillAbsent(
        context.indexes,
        ids.map((id) => ({ id, key: keyOf(id) })),
        { limit: entries, compute },
      );
      done += ids.length;
      report(done);
    }
  }
}
