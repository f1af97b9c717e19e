import type { SortedIndexes, Writer } from '../../infra/redis/sorted-index.ts';
import type { FanOutLevel } from '../lane-projection.ts';

type GateParts = {
  readonly indexes: SortedIndexes;
  /** The kinds of indexes that fan-out fills. */
  readonly kinds: readonly string[];
  readonly writers: () => readonly Writer[];
  readonly levelOf: () => FanOutLevel;
};

/**
 * Holds the fan-out of one build back while it is too far behind. Before a round may be left out no index exists, and
 * none is made: what readers compute until fan-out begins again holds the round's effects, because the models have
 * passed its events. So nothing is lost, however often the level changes.
 */
export class FanOutGate {
  readonly #parts: GateParts;
  // A writer before this one may have withheld indexes, and not have ended the sweep.
  #state: 'unknown' | 'swept' | 'open' = 'unknown';
  #withholding: Promise<void> = Promise.resolve();

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  /** The level for the next round; with `none` it may be left out. */
  async level(): Promise<FanOutLevel> {
    const { kinds, levelOf } = this.#parts;
    const level = kinds.length === 0 ? 'all' : levelOf();
    if (level !== 'none') return level;
    // One after the other: what a sweep has still to remove looks withheld already to whoever only looks.
    const withholding = this.#withholding.then(() => this.#withhold());
    this.#withholding = withholding.catch(() => undefined);
    await withholding;
    return level;
  }

  // Also when it was done before: a Redis that was emptied meanwhile has forgotten it.
  async #withhold(): Promise<void> {
    const { indexes, kinds, writers } = this.#parts;
    const swept = this.#state === 'swept';
    // A failure may come between a part of Redis that withholds from now on and the sweep: then the next one sweeps.
    this.#state = 'unknown';
    await Promise.all(kinds.map((kind) => indexes.withhold(writers(), kind, swept)));
    this.#state = 'swept';
  }

  /** Lets readers make indexes again once fan-out goes on; call it now and then, also when there are no events. */
  async reopen(): Promise<void> {
    const { indexes, kinds, writers, levelOf } = this.#parts;
    if (this.#state === 'open' || kinds.length === 0 || levelOf() === 'none') return;
    await Promise.all(kinds.map((kind) => indexes.permit(writers(), kind)));
    this.#state = 'open';
  }
}
