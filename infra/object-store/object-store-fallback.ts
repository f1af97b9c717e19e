import { copyObject } from './object-store-copy.ts';
import { ChecksumMismatch } from './object-store.ts';
import type { ListedObject, ObjectInfo, ObjectSource, ObjectStore, PutOptions } from './object-store.ts';
import type { GuardedObjectStore } from './object-store-guarded.ts';

export interface FallbackOptions {
  readonly primary: GuardedObjectStore;
  readonly secondary: ObjectStore;
  /** Told when one of the two failed and the other served, for logs and metrics. */
  readonly onFallback?: (operation: string, key: string, error: unknown) => void;
}

export interface FallbackObjectStore extends ObjectStore {
  /**
   * Carries over what one store missed while it was away, and answers how much that was. Safe to run again and beside
   * writers; rejects when a store still fails, and the rest stays noted.
   */
  reconcile(): Promise<{ readonly copied: number; readonly removed: number }>;
  /**
   * Gives both stores their copy of an object that came by a signed upload to one of them; false when neither has it.
   * A store that is away is noted as after a missed write; rejects only when both are.
   */
  replicate(key: string): Promise<boolean>;
}

/** Notes of what the other store missed: empty objects below these prefixes, the missed key behind them. */
const MISSED_PUT = 'reconcile/put/';
const MISSED_DELETE = 'reconcile/delete/';
const NOTE: PutOptions = { contentType: 'application/octet-stream', cacheControl: 'no-store' };

type Pair = Required<FallbackOptions>;

/**
 * Two stores as one: writes go to both and succeed with one, reads ask the second when the first fails or has nothing.
 * What a store missed is noted in the other, so that no process has to remember it. Until `reconcile` has run, an
 * object that was removed while the first store was away is there again when it returns: who must not see it is decided
 * above this port.
 */
export function withFallback({
  primary,
  secondary,
  onFallback = () => undefined,
}: FallbackOptions): FallbackObjectStore {
  const pair: Pair = { primary, secondary, onFallback };
  const signer = (): ObjectStore => (primary.state() === 'open' ? secondary : primary);
  return {
    put: (key, source, options) => putBoth(pair, key, source, options),
    get: (key, range) =>
      readEither(pair, 'get', key, { read: (store) => store.get(key, range), found: ({ ok }) => ok }),
    head: (key) => readEither(pair, 'head', key, { read: (store) => store.head(key), found: (info) => info !== null }),
    delete: (key) => deleteBoth(pair, key),
    list: (prefix, startAfter) => listEither(pair, prefix, startAfter),
    presignUpload: (upload) => signer().presignUpload(upload),
    presignDownload: (key, seconds) => signer().presignDownload(key, seconds),
    close: async () => {
      await Promise.all([primary.close(), secondary.close()]);
    },
    replicate: (key) => replicate(pair, key),
    reconcile: async () => {
      const first = carryOver(secondary, primary);
      // What is wrong in one direction does not keep the other from being carried.
      await first.catch(() => undefined);
      const toSecondary = await carryOver(primary, secondary);
      const toPrimary = await first;
      return { copied: toPrimary.copied + toSecondary.copied, removed: toPrimary.removed + toSecondary.removed };
    },
  };
}

async function putBoth(pair: Pair, key: string, source: ObjectSource, options: PutOptions): Promise<ObjectInfo> {
  const [first, second] = await Promise.allSettled([
    pair.primary.put(key, source, options),
    pair.secondary.put(key, source, options),
  ]);
  if (first.status === 'fulfilled') {
    if (second.status === 'rejected')
      await noteMissed(pair, { operation: 'put', key, served: pair.primary, error: second.reason });
    return first.value;
  }
  if (second.status === 'rejected' || first.reason instanceof ChecksumMismatch) throw first.reason;
  await noteMissed(pair, { operation: 'put', key, served: pair.secondary, error: first.reason });
  return second.value;
}

async function deleteBoth(pair: Pair, key: string): Promise<void> {
  const [first, second] = await Promise.allSettled([pair.primary.delete(key), pair.secondary.delete(key)]);
  if (first.status === 'rejected' && second.status === 'rejected') throw first.reason;
  if (first.status === 'rejected')
    await noteMissed(pair, { operation: 'delete', key, served: pair.secondary, error: first.reason });
  if (second.status === 'rejected')
    await noteMissed(pair, { operation: 'delete', key, served: pair.primary, error: second.reason });
}

async function replicate(pair: Pair, key: string): Promise<boolean> {
  const { primary, secondary } = pair;
  const [first, second] = await Promise.allSettled([primary.head(key), secondary.head(key)]);
  if (first.status === 'rejected' && second.status === 'rejected') throw first.reason;
  const [inFirst, inSecond] = [first, second].map((head) => head.status === 'fulfilled' && head.value !== null);
  if (inFirst === inSecond) return inFirst === true;
  const [from, to] = inFirst === true ? [primary, secondary] : [secondary, primary];
  await copyObject(from, to, key).catch((error: unknown) =>
    noteMissed(pair, { operation: 'put', key, served: from, error }),
  );
  return true;
}

async function noteMissed(
  { onFallback }: Pair,
  missed: { operation: 'put' | 'delete'; key: string; served: ObjectStore; error: unknown },
): Promise<void> {
  const { operation, key, served, error } = missed;
  await served.put((operation === 'put' ? MISSED_PUT : MISSED_DELETE) + key, new Uint8Array(), NOTE);
  onFallback(operation, key, error);
}

interface Reading<T> {
  read(store: ObjectStore): Promise<T>;
  found(answer: T): boolean;
}

async function readEither<T>(
  { primary, secondary, onFallback }: Pair,
  operation: string,
  key: string,
  { read, found }: Reading<T>,
): Promise<T> {
  let answer: T;
  try {
    answer = await read(primary);
  } catch (error) {
    onFallback(operation, key, error);
    return read(secondary);
  }
  if (found(answer)) return answer;
  // The first store answered that there is nothing: an outage of the second one does not change that.
  return read(secondary).then(
    (other) => (found(other) ? other : answer),
    () => answer,
  );
}

async function* listEither(
  { primary, secondary, onFallback }: Pair,
  prefix: string,
  startAfter: string | undefined,
): AsyncGenerator<ListedObject> {
  let last = startAfter;
  try {
    for await (const listed of primary.list(prefix, startAfter)) {
      last = listed.key;
      if (!isNote(listed.key)) yield listed;
    }
  } catch (error) {
    onFallback('list', prefix, error);
    for await (const listed of secondary.list(prefix, last)) {
      if (!isNote(listed.key)) yield listed;
    }
  }
}

function isNote(key: string): boolean {
  return key.startsWith(MISSED_PUT) || key.startsWith(MISSED_DELETE);
}

async function carryOver(from: ObjectStore, to: ObjectStore): Promise<{ copied: number; removed: number }> {
  const counts = { copied: 0, removed: 0 };
  for await (const { key: note } of from.list(MISSED_DELETE)) {
    const key = note.slice(MISSED_DELETE.length);
    // A key that was written again after the missed removal is no longer gone.
    if ((await from.head(key)) === null) {
      await to.delete(key);
      counts.removed += 1;
    }
    await from.delete(note);
  }
  // One damaged file must not hold up all the others; it is told of at the end.
  let damaged: ChecksumMismatch | undefined;
  for await (const { key: note } of from.list(MISSED_PUT)) {
    try {
      if (await copyObject(from, to, note.slice(MISSED_PUT.length))) counts.copied += 1;
      await from.delete(note);
    } catch (error) {
      if (!(error instanceof ChecksumMismatch)) throw error;
      damaged ??= error;
    }
  }
  if (damaged !== undefined) throw damaged;
  return counts;
}
