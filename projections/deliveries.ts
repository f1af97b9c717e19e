import type { Change, Entry } from '../infra/sorted-indexes.ts';

/** What to add to and remove from a feed. */
export type Delta = { readonly add: readonly Entry[]; readonly remove: readonly string[] };

/** Gathers what viewers get of several authors, so that a feed is named once for all of it. */
export class Deliveries {
  readonly #keyOf: (viewer: string) => string;
  readonly #byViewer = new Map<string, Delta | Delta[]>();
  #only: { delta: Delta; viewers: readonly string[] } | undefined;
  /** So many viewers were named. */
  size = 0;

  constructor(keyOf: (viewer: string) => string) {
    this.#keyOf = keyOf;
  }

  add(delta: Delta, viewers: readonly string[]): void {
    this.size += viewers.length;
    // One author's audience names each viewer once: there is nothing to put together until a second comes.
    if (this.#only === undefined && this.#byViewer.size === 0) {
      this.#only = { delta, viewers };
      return;
    }
    const first = this.#only;
    this.#only = undefined;
    if (first !== undefined) for (const viewer of first.viewers) this.#give(viewer, first.delta);
    for (const viewer of viewers) this.#give(viewer, delta);
  }

  /** The changes to the viewers' feeds; viewers who get the same share one. */
  changes(): Change[] {
    if (this.#only !== undefined) return [{ keys: this.#only.viewers.map(this.#keyOf), ...this.#only.delta }];
    const changes: Change[] = [];
    const alone = new Map<Delta, string[]>();
    for (const [viewer, own] of this.#byViewer) {
      const key = this.#keyOf(viewer);
      if (Array.isArray(own)) {
        changes.push({ keys: [key], add: own.flatMap(({ add }) => add), remove: own.flatMap(({ remove }) => remove) });
        continue;
      }
      const keys = alone.get(own);
      if (keys === undefined) alone.set(own, [key]);
      else keys.push(key);
    }
    for (const [delta, keys] of alone) changes.push({ keys, ...delta });
    return changes;
  }

  #give(viewer: string, delta: Delta): void {
    const known = this.#byViewer.get(viewer);
    if (known === undefined) this.#byViewer.set(viewer, delta);
    else if (Array.isArray(known)) known.push(delta);
    else this.#byViewer.set(viewer, [known, delta]);
  }
}
