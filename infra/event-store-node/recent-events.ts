import type { WrittenEvent } from './check-append.ts';

/**
 * The events written last, by id: what makes a retry at "any" or "stream exists" idempotent. Bounded, so a retry after
 * very many other events is not recognised, as on any EventStoreDB node.
 */
export class RecentEvents {
  readonly #byId = new Map<string, WrittenEvent>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The event with this id, if it is among the last ones. */
  get(eventId: string): WrittenEvent | undefined {
    return this.#byId.get(eventId);
  }

  /** Remembers an event; the oldest one is forgotten when there are too many. */
  add(eventId: string, event: WrittenEvent): void {
    this.#byId.set(eventId, event);
    if (this.#byId.size <= this.#capacity) return;
    for (const oldest of this.#byId.keys()) {
      this.#byId.delete(oldest);
      return;
    }
  }

  /** Forgets events that did not become durable. */
  remove(eventIds: Iterable<string>): void {
    for (const id of eventIds) this.#byId.delete(id);
  }
}
