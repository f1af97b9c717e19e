import { metrics } from '@opentelemetry/api';
import { setTimeout as delay } from 'node:timers/promises';

export type CircuitState = 'closed' | 'open' | 'half-open';

/** A call was not answered in time. */
export class AnswerTimeoutError extends Error {
  override readonly name = 'AnswerTimeoutError';
}

/** The circuit is open: the work was not tried. */
export class CircuitOpenError extends Error {
  override readonly name = 'CircuitOpenError';
}

export type CircuitOptions = {
  /** In metrics. */
  readonly name: string;
  /** So many failures in a row open the circuit. */
  readonly failures: number;
  /** After so long one caller may try again; its success closes the circuit. */
  readonly halfOpenAfterMs: number;
  /** Tries of one call that count as one failure together, and the pause between them. */
  readonly attempts: number;
  readonly pauseMs: number;
  /** How long one try may take; without it, for ever. */
  readonly timeoutMs?: number;
  readonly clock?: () => number;
};

/**
 * Keeps callers from waiting for a server that does not answer. Written here because the libraries for it cost tens of
 * microseconds a call, more than the calls that it guards.
 */
export class CircuitBreaker {
  readonly #options: CircuitOptions;
  readonly #clock: () => number;
  #failures = 0;
  #openedAt: number | undefined;
  #trying = false;

  constructor(options: CircuitOptions) {
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
    metrics
      .getMeter('shutterlog')
      .createObservableGauge('circuit_open', {
        description: '1 while calls are not tried, 0.5 while one caller tries again.',
      })
      .addCallback((result) => {
        result.observe({ closed: 0, 'half-open': 0.5, open: 1 }[this.state], { circuit: options.name });
      });
  }

  get state(): CircuitState {
    if (this.#openedAt === undefined) return 'closed';
    return this.#clock() - this.#openedAt >= this.#options.halfOpenAfterMs ? 'half-open' : 'open';
  }

  /**
   * Runs `work`, again after a failure as often as allowed. Throws CircuitOpenError at once while the circuit is open,
   * else what `work` threw last.
   */
  async execute<T>(work: () => Promise<T>): Promise<T> {
    const state = this.state;
    if (state === 'open' || (state === 'half-open' && this.#trying))
      throw new CircuitOpenError(`the circuit to ${this.#options.name} is open`);
    this.#trying = state === 'half-open';
    try {
      const result = await this.#attempt(work);
      this.#failures = 0;
      this.#openedAt = undefined;
      return result;
    } catch (error) {
      this.#failures += 1;
      if (state === 'half-open' || this.#failures >= this.#options.failures) this.#openedAt = this.#clock();
      throw error;
    } finally {
      if (state === 'half-open') this.#trying = false;
    }
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await (timeoutMs === undefined ? work() : inTime(timeoutMs, work()));
      } catch (error) {
        if (attempt >= this.#options.attempts) throw error;
        await delay(this.#options.pauseMs);
      }
    }
  }
}

/**
 * The result of `work`, or AnswerTimeoutError. An answer that has arrived already counts even when this process was too
 * busy to look at it in time: else a pause of our own would be held against the server.
 */
function inTime<T>(limitMs: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => {
      setImmediate(() => {
        reject(new AnswerTimeoutError(`no answer within ${String(limitMs)} ms`));
      });
    }, limitMs);
    work.then(resolve, reject).finally(() => {
      clearTimeout(limit);
    });
  });
}
