import { LRUCache } from 'lru-cache';
import { Looks, type Changes, type ChangesHeard, type Look } from '../../../infra/process/invalidation-source.ts';
import type { Entry, Found } from '../../../infra/redis/sorted-index.ts';

type Kept = { readonly entries: readonly Entry[]; readonly limit: number };

/**
 * An index that is read from here has its lifetime renewed so much later, which is little beside that lifetime; some a
 * quarter earlier, so that not all have to be read again at once.
 */
const KEPT_MS = 60_000;

/** Indexes as Redis gave them, as long as it does not tell that they have changed. */
export class KeptIndexes {
  readonly #heard: ChangesHeard;
  readonly #known: LRUCache<string, Kept>;
  readonly #looks = new Looks();

  /** `mostEntries` bounds what is kept, over all indexes. */
  constructor(heard: ChangesHeard, mostEntries: number) {
    this.#heard = heard;
    this.#known = new LRUCache({
      maxSize: mostEntries,
      sizeCalculation: ({ entries }) => entries.length + 1,
      ttlResolution: 100,
    });
    heard.onChanges((keys) => {
      this.#forget(keys);
    });
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
  begin(): Look {
    const look = this.#looks.begin();
    look.all = !this.#heard.complete;
    return look;
  }

  /** Keeps those indexes that were complete and have not changed since the look began. */
  end(look: Look, found: ReadonlyMap<string, Found>, limit: number): void {
    this.#looks.end(look);
    if (look.all) return;
    for (const [key, one] of found)
      if (one.state === 'complete' && !look.since.has(key))
        this.#known.set(key, { entries: one.entries, limit }, { ttl: KEPT_MS * (1 - Math.random() / 4) });
  }

  #forget(keys: Changes): void {
    if (keys === 'all') this.#known.clear();
    else for (const key of keys) this.#known.delete(key);
    this.#looks.note(keys);
  }
}
