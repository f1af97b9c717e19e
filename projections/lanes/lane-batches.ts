import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DomainEvent } from '../../domain/event-log.ts';
import { EpochUnknownError, StaleEpochError } from '../../infra/redis/redis-functions.ts';
import type { Writer } from '../../infra/redis/sorted-index.ts';
import { isOutage } from '../failures.ts';

/** A batch of one lane that waits to be applied. */
type Waiting = {
  readonly writer: Writer;
  readonly events: readonly DomainEvent[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

const EVENTS_PER_ROUND = 8_000;

// While a round waits for the rate of a large audience, lanes that are not in it go on in another.
const ROUNDS_AT_ONCE = 3;

/**
 * Applies the batches of many lanes together: while rounds are under way, further batches gather for the next. What
 * costs once a round (queries for audiences, a feed's key in a call) is then shared, and a lane alone waits for nobody.
 */
export class LaneRounds {
  readonly #apply: (writers: readonly Writer[], events: readonly DomainEvent[]) => Promise<void>;
  #waiting: Waiting[] = [];
  #underWay = 0;
  #beginning = false;

  constructor(apply: (writers: readonly Writer[], events: readonly DomainEvent[]) => Promise<void>) {
    this.#apply = apply;
  }

  /** Resolves when the batch is applied. Rejects with what its own events met, never with what another lane's did. */
  run(writer: Writer, events: readonly DomainEvent[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ writer, events, resolve, reject });
      void this.#begin();
    });
  }

  async #begin(): Promise<void> {
    if (this.#beginning) return;
    this.#beginning = true;
    // Lanes that got events from the same group of the log go into the same round.
    await nextTurn();
    this.#beginning = false;
    while (this.#waiting.length > 0 && this.#underWay < ROUNDS_AT_ONCE) {
      this.#underWay += 1;
      void this.#round(this.#take()).finally(() => {
        this.#underWay -= 1;
        void this.#begin();
      });
    }
  }

  #take(): Waiting[] {
    let events = 0;
    const fits = this.#waiting.findIndex((one, i) => {
      events += one.events.length;
      return i > 0 && events > EVENTS_PER_ROUND;
    });
    return this.#waiting.splice(0, fits === -1 ? this.#waiting.length : fits);
  }

  async #round(batches: readonly Waiting[]): Promise<void> {
    try {
      await this.#apply(
        batches.map(({ writer }) => writer),
        batches.flatMap(({ events }) => events),
      );
      for (const { resolve } of batches) resolve();
    } catch (error) {
      if (batches.length === 1 || concernsAll(error)) for (const { reject } of batches) reject(error);
      else for (const batch of batches) await this.#round([batch]);
    }
  }
}

// An AbortError: the lanes are being closed, and none of the batches need be tried alone.
function concernsAll(error: unknown): boolean {
  return (
    isOutage(error) ||
    (error instanceof Error && error.name === 'AbortError') ||
    error instanceof StaleEpochError ||
    error instanceof EpochUnknownError
  );
}
