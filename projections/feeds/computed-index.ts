import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Entry, SortedIndexes } from '../../infra/redis/sorted-index.ts';

/** An index as a reader gets it: `hit` from Redis, else computed from PostgreSQL. */
export type Obtained = { readonly entries: readonly Entry[]; readonly from: 'hit' | 'miss' };

export type IndexSource = {
  readonly key: string;
  readonly limit: number;
  /** Reads one snapshot of the primary: its models are at or after whatever lanes have written. */
  readonly compute: () => Promise<Entry[]>;
};

const LEASE_MS = 5_000;
const POLL_MS = 15;
const DAY_MS = 24 * 3_600_000;
const JITTER_MS = 3_600_000;

/**
 * A reading renews the lifetime of an index only when it has less than this left: many readers of one need not write
 * each time.
 */
export const RENEW_BELOW_MS = DAY_MS - 600_000;
/**
 * With less than this left, an index was not read in the last three quarters of an hour at least: its reader counts as
 * idle where only active ones are served.
 */
export const IDLE_BELOW_MS = DAY_MS - 3_600_000;

/**
 * How long an index lives after its last read; the jitter keeps indexes that were made together from ending together.
 */
export function indexLifetimeMs(): number {
  return DAY_MS + Math.floor(Math.random() * JITTER_MS);
}

/**
 * Computes an index that is absent and writes it under a lease, so that of many readers one computes and the others
 * wait for at most `waitMs` before they compute for themselves. A change that lanes make meanwhile breaks the lease:
 * the answer is still good for this reader, but not kept.
 */
export async function obtainIndex(indexes: SortedIndexes, source: IndexSource, waitMs: number): Promise<Obtained> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const token = randomUUID();
    const lease = await indexes.lease(source.key, token, LEASE_MS);
    if (lease === 'taken') return { entries: await computeUnder(indexes, source, token), from: 'miss' };
    if (lease === 'withheld') return { entries: await source.compute(), from: 'miss' };
    const [found] = await indexes.newest([source.key], { limit: source.limit, renewMs: 0 });
    if (found?.state === 'complete') return { entries: found.entries, from: 'hit' };
    if (performance.now() >= deadline) return { entries: await source.compute(), from: 'miss' };
    if (found?.state === 'computing') await delay(POLL_MS);
  }
}

async function computeUnder(
  indexes: SortedIndexes,
  { key, limit, compute }: IndexSource,
  token: string,
): Promise<Entry[]> {
  try {
    const entries = await compute();
    await indexes.fill(key, token, { entries, cut: entries.length >= limit }, indexLifetimeMs());
    return entries;
  } catch (error) {
    await indexes.release(key, token).catch(() => undefined);
    throw error;
  }
}

export type Target = { readonly id: string; readonly key: string };

/**
 * Computes those of some indexes that are absent, all in one go, and writes them under leases; the others stay as they
 * are.
 */
export async function fillAbsent(
  indexes: SortedIndexes,
  targets: readonly Target[],
  { limit, compute }: { limit: number; compute: (ids: readonly string[]) => Promise<Map<string, Entry[]>> },
): Promise<void> {
  const token = randomUUID();
  const leases = await Promise.all(targets.map(({ key }) => indexes.lease(key, token, LEASE_MS)));
  const taken = targets.filter((_, i) => leases[i] === 'taken');
  if (taken.length === 0) return;
  try {
    const computed = await compute(taken.map(({ id }) => id));
    await Promise.all(
      taken.map(({ id, key }) => {
        const entries = computed.get(id) ?? [];
        return indexes.fill(key, token, { entries, cut: entries.length >= limit }, indexLifetimeMs());
      }),
    );
  } catch (error) {
    await Promise.allSettled(taken.map(({ key }) => indexes.release(key, token)));
    throw error;
  }
}
