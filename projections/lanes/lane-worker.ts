import { setTimeout as delay } from 'node:timers/promises';
import type { DomainEvent } from '../../domain/event-log.ts';
import { laterOf, type Position } from '../../domain/position.ts';
import { EpochUnknownError, StaleEpochError } from '../../infra/redis/redis-functions.ts';
import type { Writer } from '../../infra/redis/sorted-index.ts';
import { describe, isOutage } from '../failures.ts';
import type { HeldLane } from './lane-positions.ts';
import type { TakenEvent } from '../runner/decoding.ts';

/** An event that a lane cannot get past, after bounded tries. */
export class PoisonError extends Error {
  override readonly name = 'PoisonError';
  readonly event: TakenEvent['recorded'];
  readonly attempts: number;
  constructor(event: TakenEvent['recorded'], attempts: number, cause: unknown) {
    super(describe(cause), { cause });
    this.event = event;
    this.attempts = attempts;
  }
}

export type WorkerDeps = {
  /** Applies events of a lane to the build, maybe together with other lanes'. */
  readonly apply: (writer: Writer, events: readonly DomainEvent[]) => Promise<void>;
  /**
   * Resolves once the PostgreSQL models that the projection reads have passed `first`, to a position that they have
   * passed: `last`, or one at or after `first`.
   */
  readonly whenModelsPassed: (first: Position, last: Position) => Promise<Position>;
  /** A server was away: what is known of the models may no longer be true. */
  readonly onOutage: () => void;
  /**
   * Registers the lane again with a Redis that has lost it, if it is still this process's; else throws StaleEpochError.
   */
  readonly registerAgain: () => Promise<void>;
  /** True when the operator lets this projection pass over events that it cannot apply; the event is put aside then. */
  readonly park: (poison: PoisonError) => Promise<boolean>;
  readonly signal: AbortSignal;
};

const EVENTS_PER_BATCH = 500;
const ATTEMPTS = 4;
const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 2_000;

/** One lane of one build: takes its events in order, in batches, and knows how far their effects have come. */
export class LaneWorker {
  readonly lane: number;
  readonly epoch: number;
  /** Everything up to here is in Redis. */
  position: Position;
  /** What keeps it from making progress at this moment. */
  trouble: string | undefined;
  readonly #deps: WorkerDeps;
  readonly #queue: TakenEvent[] = [];
  #pushed: Position;
  #passed: Position;
  #working: Promise<void> | undefined;

  constructor(deps: WorkerDeps, held: HeldLane) {
    this.#deps = deps;
    this.lane = held.lane;
    this.epoch = held.epoch;
    this.position = held.position;
    this.#pushed = held.position;
    this.#passed = held.position;
  }

  /** Events that wait, those of the batch under way included. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Up to here it was handed what there is for it. */
  get handedOut(): Position {
    return laterOf(this.#pushed, this.#passed);
  }

  /** Puts an event in the queue, unless the lane has had it. */
  push(event: TakenEvent): boolean {
    if (event.recorded.position <= this.#pushed) return false;
    this.#pushed = event.recorded.position;
    this.#queue.push(event);
    return true;
  }

  /** Says that all events up to here were handed out: a lane without work has passed them. */
  passTo(position: Position): void {
    if (position > this.#passed) this.#passed = position;
    if (this.#queue.length === 0 && this.#passed > this.position) this.position = this.#passed;
  }

  /**
   * Works until the queue is empty. Throws StaleEpochError when the lane is lost, PoisonError at an event that stops
   * it.
   */
  async work(): Promise<void> {
    return (this.#working ??= this.#drain().finally(() => {
      this.#working = undefined;
    }));
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0 && !this.#deps.signal.aborted) {
      const next = this.#queue.slice(0, EVENTS_PER_BATCH);
      const [first, latest] = [next.at(0), next.at(-1)];
      if (first === undefined || latest === undefined) return;
      // What the models have passed goes at once; the lane works on it while they work on the rest.
      const passed = await this.#deps.whenModelsPassed(first.recorded.position, latest.recorded.position);
      if (this.#deps.signal.aborted) return;
      // More may have come meanwhile.
      const batch = this.#queue.slice(0, EVENTS_PER_BATCH).filter(({ recorded }) => recorded.position <= passed);
      const last = (batch.at(-1) ?? first).recorded.position;
      await this.#applyTogether(batch);
      if (this.#deps.signal.aborted) return;
      this.#queue.splice(0, batch.length);
      this.position = last;
      this.passTo(last);
    }
  }

  async #applyTogether(batch: readonly TakenEvent[]): Promise<void> {
    try {
      await this.#patiently(() => this.#apply(batch));
    } catch (error) {
      if (error instanceof StaleEpochError || isOutage(error) || this.#deps.signal.aborted) throw error;
      for (const event of batch) await this.#applyAlone(event);
    }
  }

  async #applyAlone(event: TakenEvent): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#patiently(() => this.#apply([event]));
        return;
      } catch (error) {
        if (error instanceof StaleEpochError || isOutage(error) || this.#deps.signal.aborted) throw error;
        if (attempt < ATTEMPTS) {
          await this.#pause(attempt);
          continue;
        }
        const poison = new PoisonError(event.recorded, attempt, error);
        if (!(await this.#deps.park(poison))) throw poison;
        return;
      }
    }
  }

  async #apply(batch: readonly TakenEvent[]): Promise<void> {
    await this.#deps.apply({ lane: this.lane, epoch: this.epoch }, batch.map(readable));
  }

  /** Waits out servers that are away; an emptied Redis learns of the lane again. */
  async #patiently(work: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await work();
        this.trouble = undefined;
        return;
      } catch (error) {
        if (error instanceof EpochUnknownError)
          await this.#deps.registerAgain().catch((failure: unknown) => {
            if (!isOutage(failure)) throw failure;
          });
        else if (!isOutage(error)) throw error;
        else this.#deps.onOutage();
        this.trouble = describe(error);
        await this.#pause(attempt);
        if (this.#deps.signal.aborted) throw error;
      }
    }
  }

  #pause(attempt: number): Promise<unknown> {
    return delay(Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), LONGEST_DELAY_MS), undefined, {
      signal: this.#deps.signal,
    }).catch(() => undefined);
  }
}

function readable({ event, recorded, unreadable }: TakenEvent): DomainEvent {
  if (event !== undefined) return event;
  throw new Error(`${recorded.type} ${recorded.id} of ${recorded.streamId} cannot be read`, { cause: unreadable });
}
