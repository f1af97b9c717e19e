/** Writes a line about so many happenings of one kind. */
export type WriteLine = (count: number) => void;

type Kind = { count: number; write: WriteLine };

/**
 * Keeps one and the same trouble from filling the log: the first happening of a kind is written at once, those that
 * follow are counted and written as one line a second, for as long as they go on. Kinds are few: they are kept while
 * they go on.
 */
export class RepeatedLines {
  readonly #everyMs: number;
  readonly #kinds = new Map<string, Kind>();

  constructor(everyMs = 1_000) {
    this.#everyMs = everyMs;
  }

  /** Notes one happening; `write` is called with 1 now, or later with the count, then the last one's. */
  note(kind: string, write: WriteLine): void {
    const known = this.#kinds.get(kind);
    if (known !== undefined) {
      known.count += 1;
      known.write = write;
      return;
    }
    write(1);
    this.#watch(kind, { count: 0, write });
  }

  #watch(name: string, kind: Kind): void {
    this.#kinds.set(name, kind);
    setTimeout(() => {
      this.#kinds.delete(name);
      if (kind.count === 0) return;
      kind.write(kind.count);
      this.#watch(name, { count: 0, write: kind.write });
    }, this.#everyMs).unref();
  }
}
