import type { Change, Entry } from '../../infra/redis/sorted-index.ts';

/** What to add to and remove from a feed. */
export type Delta = { readonly add: readonly Entry[]; readonly remove: readonly string[] };

type Delivery = { readonly delta: Delta; readonly viewers: readonly string[] };

/**
 * Gathers what viewers get of several authors, so that a feed is named once for all of it. An author's audience names
 * each viewer once.
 */
export class Deliveries {
  readonly #keyOf: (viewer: string) => string;
  readonly #all: Delivery[] = [];
  readonly #named = new Set<string>();
  /** Those few who were named again, and what they get once it is asked for. */
  readonly #several = new Map<string, Delta[]>();
  /** So many viewers were named. */
  size = 0;

  constructor(keyOf: (viewer: string) => string) {
    this.#keyOf = keyOf;
  }

  add(delta: Delta, viewers: readonly string[]): void {
    this.size += viewers.length;
    // There is nothing to put together until a second audience comes.
    const [first] = this.#all;
    if (first !== undefined) {
      if (this.#all.length === 1) this.#name(first.viewers);
      this.#name(viewers);
    }
    this.#all.push({ delta, viewers });
  }

  /** The changes to the viewers' feeds; viewers who get one author's share alone have it together. Call it once. */
  changes(): Change[] {
    const changes = this.#all.map(({ delta, viewers }): Change => ({
      keys: this.#alone(viewers, delta).map(this.#keyOf),
      ...delta,
    }));
    for (const [viewer, own] of this.#several) {
      changes.push({
        keys: [this.#keyOf(viewer)],
        add: own.flatMap(({ add }) => add),
        remove: own.flatMap(({ remove }) => remove),
      });
    }
    return changes.filter(({ keys }) => keys.length > 0);
  }

  #name(viewers: readonly string[]): void {
    for (const viewer of viewers) {
      const before = this.#named.size;
      if (this.#named.add(viewer).size === before) this.#several.set(viewer, []);
    }
  }

  /** Those who get nothing else; the others are given the delta. */
  #alone(viewers: readonly string[], delta: Delta): readonly string[] {
    if (this.#several.size === 0) return viewers;
    return viewers.filter((viewer) => {
      const own = this.#several.get(viewer);
      own?.push(delta);
      return own === undefined;
    });
  }
}
