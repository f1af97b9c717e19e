import { LRUCache } from 'lru-cache';
import type { ChangedKeys, KeysHeard } from '../../infra/key-watch.ts';
import type { Entry, Found } from '../../infra/sorted-indexes.ts';

type Kept = { readonly entries: readonly Entry[]; readonly limit: number };

/** A reading that is under way, and which keys have changed since it began. */
export type Reading = { readonly since: Set<string>; all: boolean };

/**
 * An index that is read from here has its lifetime renewed so much later, which is little beside that lifetime; some a
 * quarter earlier, so that not all have to be read again at once.
 */
const KEPT_MS = 60_000;

/** Indexes as Redis gave them, as long as it does not tell that they have changed. */
export class KeptIndexes {
  readonly #heard: KeysHeard;
  readonly #known: LRUCache<string, Kept>;
  readonly #readings = new Set<Reading>();

  /** `mostEntries` bounds what is kept, over all indexes. */
  constructor(heard: KeysHeard, mostEntries: number) {
    this.#heard = heard;
    this.#known = new LRUCache({ maxSize: mostEntries, sizeCalculation: ({ entries }) => entries.length + 1, ttlResolution: 100 });
    heard.onChanges((keys) => { this.#forget(keys); });
  }

  /** The newest entries of all of these indexes, or undefined when one of them has to be asked for. */
  find(keys: readonly string[], limit: number): (readonly Entry[])[] | undefined {
    if (!this.#heard.complete) return undefined;
    const found: (readonly Entry[])[] = [];
    for (const key of keys) {
      const kept = this.#known.get(key);
      if (kept?.limit !== limit) return undefined;
      found.push(kept.entries);
    }
    return found;
  }

  /** Call before Redis is asked; `end` belongs to it, whatever comes of the asking. */
  begin(): Reading {
    const reading = { since: new Set<string>(), all: !this.#heard.complete };
    this.#readings.add(reading);
    return reading;
  }

  /** Keeps those indexes that were complete and have not changed since the reading began. */
  end(reading: Reading, found: ReadonlyMap<string, Found>, limit: number): void {
    this.#readings.delete(reading);
    if (reading.all) return;
    for (const [key, one] of found) if (one.state === 'complete' && !reading.since.has(key)) this.#known.set(key, { entries: one.entries, limit }, { ttl: KEPT_MS * (1 - Math.random() / 4) });
  }

  #forget(keys: ChangedKeys): void {
    if (keys === 'all') this.#known.clear();
    else for (const key of keys) this.#known.delete(key);
    for (const reading of this.#readings) {
      if (keys === 'all') reading.all = true;
      else for (const key of keys) reading.since.add(key);
    }
  }
}
