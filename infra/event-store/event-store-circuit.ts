import { metrics } from '@opentelemetry/api';
import { circuitBreaker, CircuitState, handleWhen, type IBreaker } from 'cockatiel';
import { setTimeout as delay } from 'node:timers/promises';
import { OutcomeUnknownError } from './event-store-appending.ts';
import { EventStoreCircuitOpenError, isStoreOutage } from './event-store-failures.ts';

/** What is asked of the store. */
export type Question = 'read' | 'append';

export type StoreCircuitOptions = {
  /** The store is left alone once questions of one kind have failed for so long, with no answer between. */
  readonly limitMs: number;
  /** Pause between two looks whether the store is back. */
  readonly restMs: number;
  /** Asks the store a small question of each kind that failed; rejects while it does not answer. */
  readonly probe: (failed: ReadonlySet<Question>) => Promise<void>;
};

const OPEN = 'open';

/**
 * Keeps callers from waiting for a store that does not answer. A question that fails is the caller's to repeat; when
 * questions of a kind have failed for the limit, counted from when the first of them was asked, nobody waits any
 * longer: those under way are given up, new ones fail at once, and only a probe asks on. So a leader's election is
 * waited out, and no caller is the one who tries whether the store is back.
 */
export class StoreCircuit {
  readonly #options: StoreCircuitOptions;
  readonly #failing = new Map<Question, number>();
  readonly #policy;
  #opened = Promise.withResolvers<typeof OPEN>();
  readonly #closing = new AbortController();
  #looking = false;
  /** Since when the store may be asked. What was asked before says nothing of now. */
  #backSince = Number.NEGATIVE_INFINITY;

  constructor(options: StoreCircuitOptions) {
    this.#options = options;
    const breaker: IBreaker = { state: undefined, success: () => undefined, failure: () => this.#hasFailedTooLong() };
    this.#policy = circuitBreaker(handleWhen(isOutage), { halfOpenAfter: 0, breaker });
    this.#policy.onBreak(() => {
      this.#onBreak();
    });
    metrics
      .getMeter('shutterlog')
      .createObservableGauge('circuit_open', {
        description: '1 while calls are not tried, 0.5 while one caller tries again.',
      })
      .addCallback((result) => {
        result.observe(this.isOpen ? 1 : 0, { circuit: 'event-store' });
      });
  }

  /** Whether the store is left alone at this moment. */
  get isOpen(): boolean {
    return this.#policy.state !== CircuitState.Closed;
  }

  /**
   * Asks. Throws EventStoreCircuitOpenError at once while the store is left alone; when it is given up meanwhile, the
   * same for a read and OutcomeUnknownError for an append; else what `work` throws.
   */
  async run<T>(question: Question, work: () => Promise<T>): Promise<T> {
    if (this.isOpen)
      throw new EventStoreCircuitOpenError('the event store has not answered for a while, and is not asked');
    const outcome = await Promise.race([
      this.#policy.execute(() => this.#noted(question, work)).then((result) => ({ result })),
      this.#opened.promise,
    ]);
    if (outcome !== OPEN) return outcome.result;
    if (question === 'append')
      throw new OutcomeUnknownError('an append was given up: the event store has not answered for a while');
    throw new EventStoreCircuitOpenError('a read was given up: the event store has not answered for a while');
  }

  /** Ends the looking. */
  close(): void {
    this.#closing.abort();
  }

  async #noted<T>(question: Question, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      const result = await work();
      this.#failing.delete(question);
      return result;
    } catch (error) {
      if (!isOutage(error)) this.#failing.delete(question);
      else if (!this.#failing.has(question)) this.#failing.set(question, Math.max(started, this.#backSince));
      throw error;
    }
  }

  #hasFailedTooLong(): boolean {
    // A timer may come a moment before its time.
    return [...this.#failing.values()].some((since) => performance.now() - since >= this.#options.limitMs - 5);
  }

  #onBreak(): void {
    this.#opened.resolve(OPEN);
    this.#opened = Promise.withResolvers();
    if (!this.#looking) void this.#lookUntilBack();
  }

  async #lookUntilBack(): Promise<void> {
    this.#looking = true;
    const { restMs, probe } = this.#options;
    while (this.isOpen && !this.#closing.signal.aborted) {
      await delay(restMs, undefined, { ref: false, signal: this.#closing.signal }).catch(() => undefined);
      if (!this.#closing.signal.aborted)
        await this.#policy.execute(() => probe(new Set(this.#failing.keys()))).catch(() => undefined);
    }
    this.#failing.clear();
    this.#backSince = performance.now();
    this.#looking = false;
  }
}

function isOutage(error: unknown): boolean {
  return error instanceof OutcomeUnknownError || isStoreOutage(error);
}
