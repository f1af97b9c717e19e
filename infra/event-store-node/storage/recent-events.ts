import type { WrittenEvent } from '../check-append.ts';

/**
 * The events written last, by id: what makes a retry at "any" or "stream exists" idempotent. Of an id that was written
 * several times the first place counts, as on EventStoreDB. Bounded, so a retry after very many other events is not
 * recognised, there as here.
 */
export class RecentEvents {
  readonly #generation: number;
  #newer = new Map<string, WrittenEvent>();
  #older = new Map<string, WrittenEvent>();

  /** Remembers at least the last `capacity` events, and at most twice as many. */
  constructor(capacity: number) {
    this.#generation = capacity;
  }

  /** The event with this id, if it is among the last ones. */
  get(eventId: string): WrittenEvent | undefined {
    return this.#newer.get(eventId) ?? this.#older.get(eventId);
  }

  /**
   * Remembers an event, unless one with its id is remembered; says whether it did. Old ones are forgotten a whole
   * generation at a time: a map that loses them singly gets slow.
   */
  add(eventId: string, event: WrittenEvent): boolean {
    if (this.get(eventId) !== undefined) return false;
    if (this.#newer.size >= this.#generation) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(eventId, event);
    return true;
  }

  /** Forgets events that did not become durable. */
  remove(eventIds: Iterable<string>): void {
    for (const id of eventIds) {
      this.#newer.delete(id);
      this.#older.delete(id);
    }
  }
}
