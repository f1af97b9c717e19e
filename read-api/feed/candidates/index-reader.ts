import { setTimeout as delay } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import pLimit, { type LimitFunction } from 'p-limit';
import type { CircuitBreaker } from '../../../infra/process/circuit-breaker.ts';
import { IndexAnswers } from '../../../infra/redis/index-answers.ts';
import type { ChangesHeard } from '../../../infra/process/invalidation-source.ts';
import type { RedisClient } from '../../../infra/redis/redis.ts';
import { createSortedIndexes } from '../../../infra/redis/sorted-indexes.ts';
import type { Entry, Found, SortedIndexes } from '../../../infra/redis/sorted-index.ts';
import {
  indexLifetimeMs,
  obtainIndex,
  RENEW_BELOW_MS,
  type IndexSource,
} from '../../../projections/feeds/computed-index.ts';
import { BUCKETS } from '../../../projections/lane-keys.ts';
import { KeptIndexes } from '../cache/index-cache.ts';

const COMPUTATIONS_AT_ONCE = 8;
const WAIT_FOR_OTHERS_MS = 1_000;
/** Less than a lease lasts: what this process computes longer than that may not be kept any more. */
const WAIT_FOR_OWN_MS = 4_000;
const PREFIXES_REMEMBERED = 16;
const ENTRIES_REMEMBERED = 400_000;
/** What was computed and could not be written to Redis. */
const KEPT = { max: 1_000, ttl: 1_000, ttlAutopurge: true };

/**
 * An index from Redis, or as Redis gave it and did not change it since (`hit`), computed (`miss`), or computed a moment
 * ago for somebody else while Redis is away (`stale`).
 */
export type ReadIndex = { readonly entries: readonly Entry[]; readonly from: 'hit' | 'miss' | 'stale' };

export type ReadOptions = {
  /** Whether the answer has to be of this moment. */
  readonly fresh: boolean;
  /** No more than so many entries of each index need be given. */
  readonly most?: number;
};

/**
 * An index that is being obtained, and what follows at once for those who may not take what began before they asked.
 */
type Obtaining = {
  readonly current: Promise<ReadIndex>;
  next: Promise<ReadIndex> | undefined;
  /** By whoever asked last. */ nextSource: IndexSource;
};

/**
 * Reads indexes from Redis, and from PostgreSQL what Redis does not have. However many requests ask for one index at
 * the same time, one computes it, and then another for those who asked later and may not take what began before. With
 * Redis away or slow everything is computed, a bounded number at once, and good for a second.
 */
export class IndexReader {
  readonly #redis: RedisClient;
  readonly #circuit: CircuitBreaker;
  readonly #computing: LimitFunction = pLimit(COMPUTATIONS_AT_ONCE);
  readonly #underWay = new Map<string, Obtaining>();
  readonly #kept = new LRUCache<string, readonly Entry[]>(KEPT);
  readonly #answers = new IndexAnswers(ENTRIES_REMEMBERED);
  readonly #indexes = new LRUCache<string, SortedIndexes>({ max: PREFIXES_REMEMBERED });
  readonly #unchanged: KeptIndexes | undefined;

  /** `heard` tells what changes of what `redis` reads; without it Redis is asked each time. */
  constructor({
    redis,
    circuit,
    heard,
  }: {
    redis: RedisClient;
    circuit: CircuitBreaker;
    heard?: ChangesHeard | undefined;
  }) {
    this.#redis = redis;
    this.#circuit = circuit;
    this.#unchanged = heard === undefined ? undefined : new KeptIndexes(heard, ENTRIES_REMEMBERED);
  }

  /** The newest entries of some indexes of one build; those that share a bucket are read at one moment. */
  async read(prefix: string, sources: readonly IndexSource[], { fresh, most }: ReadOptions): Promise<ReadIndex[]> {
    if (sources.length === 0) return [];
    const indexes = this.#indexesOf(prefix);
    const limit = most ?? Math.max(...sources.map((source) => source.limit));
    const keys = sources.map(({ key }) => key);
    const unchanged = fresh ? undefined : this.#unchanged?.find(keys, limit);
    if (unchanged !== undefined) return unchanged.map((entries) => ({ entries, from: 'hit' }));
    const found = await this.#newest(indexes, keys, limit);
    return Promise.all(
      sources.map((source, i) => {
        const at = found[i];
        if (at?.state === 'complete') return { entries: at.entries, from: 'hit' as const };
        const kept = at === undefined && !fresh ? this.#kept.get(source.key) : undefined;
        return kept === undefined ? this.#obtain(indexes, source, fresh) : { entries: kept, from: 'stale' as const };
      }),
    );
  }

  async #newest(indexes: SortedIndexes, keys: readonly string[], limit: number): Promise<Found[]> {
    const reading = this.#unchanged?.begin();
    const found = await indexes
      .newest(keys, { limit, renewMs: indexLifetimeMs(), renewBelowMs: RENEW_BELOW_MS })
      .catch((): Found[] => []);
    if (reading !== undefined)
      this.#unchanged?.end(reading, new Map(found.map((one, i) => [keys[i] ?? '', one])), limit);
    return found;
  }

  // What began before a fresh request may have read what the request must not miss: it takes part in what begins next,
  // with all who ask meanwhile.
  #obtain(indexes: SortedIndexes, source: IndexSource, fresh: boolean): Promise<ReadIndex> {
    const known = this.#underWay.get(source.key);
    if (known === undefined) return this.#begin(indexes, source);
    if (!fresh) return known.current;
    known.nextSource = source;
    return (known.next ??= endOf(known.current, WAIT_FOR_OWN_MS).then(() => this.#begin(indexes, known.nextSource)));
  }

  #begin(indexes: SortedIndexes, source: IndexSource): Promise<ReadIndex> {
    let computed: ReturnType<IndexSource['compute']> | undefined;
    const compute = () => (computed ??= this.#computing(source.compute));
    const current = obtainIndex(indexes, { ...source, compute }, WAIT_FOR_OTHERS_MS)
      // Redis is away: its errors are in the circuit's metrics. An error of the computation comes again from here.
      .catch(async (): Promise<ReadIndex> => {
        const entries = await compute();
        this.#kept.set(source.key, entries);
        return { entries, from: 'miss' };
      })
      .finally(() => {
        if (this.#underWay.get(source.key) === obtaining && obtaining.next === undefined)
          this.#underWay.delete(source.key);
      });
    const obtaining: Obtaining = { current, next: undefined, nextSource: source };
    this.#underWay.set(source.key, obtaining);
    return current;
  }

  #indexesOf(prefix: string): SortedIndexes {
    const known = this.#indexes.get(prefix);
    if (known !== undefined) return known;
    const made = guarded(
      createSortedIndexes(this.#redis, { prefix: `${prefix}:`, buckets: BUCKETS, answers: this.#answers }),
      this.#circuit,
    );
    this.#indexes.set(prefix, made);
    return made;
  }
}

/** Resolves when the work has ended, however it did, and after `limitMs` at the latest. */
async function endOf(work: Promise<unknown>, limitMs: number): Promise<void> {
  const ended = new AbortController();
  const limit = delay(limitMs, undefined, { signal: ended.signal }).catch(() => undefined);
  await Promise.race([work.catch(() => undefined), limit]);
  ended.abort();
}

/** The same indexes, with the calls that readers make behind a circuit breaker. */
function guarded(indexes: SortedIndexes, circuit: CircuitBreaker): SortedIndexes {
  return {
    ...indexes,
    newest: (...args) => circuit.execute(() => indexes.newest(...args)),
    lease: (...args) => circuit.execute(() => indexes.lease(...args)),
    fill: (...args) => circuit.execute(() => indexes.fill(...args)),
    release: (...args) => circuit.execute(() => indexes.release(...args)),
  };
}
