/** What changed, by name, or `all` where it was too much to name or some of it may have been missed. */
export type Changes = readonly string[] | 'all';

/** Hears what others change, and knows whether it hears everything. */
export type ChangesHeard = {
  /** Whether nothing can have been missed: what was read while this held, and was not told of since, still stands. */
  readonly complete: boolean;
  /** Calls `listener` with each change, and with `all` whenever some may have been missed. */
  onChanges(listener: (changes: Changes) => void): void;
};

/** A look at something that is under way, and what has changed since it began. */
export type Look = { readonly since: Set<string>; all: boolean };

/** The looks that are under way: what changed meanwhile must not be kept as they found it. */
export class Looks {
  readonly #underWay = new Set<Look>();

  /** Call before asking; `end` belongs to it, whatever comes of the asking. */
  begin(): Look {
    const look: Look = { since: new Set(), all: false };
    this.#underWay.add(look);
    return look;
  }

  end(look: Look): void {
    this.#underWay.delete(look);
  }

  note(changes: Changes): void {
    for (const look of this.#underWay) {
      if (changes === 'all') look.all = true;
      else for (const name of changes) look.since.add(name);
    }
  }
}
