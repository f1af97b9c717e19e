type Kept<V> = { readonly value: V; readonly until: number };

/**
 * A bounded map of what was set lately: the oldest entry goes first, and none stays longer than `lifetimeMs`, some a
 * quarter less, so that what came together does not have to be found again all at once. Not an LRU, which moves an
 * entry with every look at it: where hundreds are looked up for each request, that is most of the work.
 */
export class RecentMap<K, V> {
  readonly #entries = new Map<K, Kept<V>>();
  readonly #most: number;
  readonly #lifetimeMs: number;

  constructor({ most, lifetimeMs }: { most: number; lifetimeMs: number }) {
    this.#most = most;
    this.#lifetimeMs = lifetimeMs;
  }

  /** `now` is a time of performance.now(), so that one clock reading serves many look-ups. */
  get(key: K, now: number = performance.now()): V | undefined {
    const kept = this.#entries.get(key);
    return kept !== undefined && now < kept.until ? kept.value : undefined;
  }

  set(key: K, value: V, now: number = performance.now()): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: now + this.#lifetimeMs * (1 - Math.random() / 4) });
    for (const [oldest, { until }] of this.#entries) {
      if (this.#entries.size <= this.#most && now < until) break;
      this.#entries.delete(oldest);
    }
  }

  delete(key: K): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
