import type { SortedIndexes, Writer } from '../infra/sorted-indexes.ts';
import type { FanOutLevel } from './backpressure.ts';

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

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  /** The level for the next round; with `none` it may be left out. */
  async level(): Promise<FanOutLevel> {
    const { indexes, kinds, writers, levelOf } = this.#parts;
    const level = kinds.length === 0 ? 'all' : levelOf();
    if (level !== 'none') return level;
    // Also when it was done before: a Redis that was emptied meanwhile has forgotten it.
    const swept = this.#state === 'swept';
    await Promise.all(kinds.map((kind) => indexes.withhold(writers(), kind, swept)));
    this.#state = 'swept';
    return level;
  }

  /** Lets readers make indexes again once fan-out goes on; call it now and then, also when there are no events. */
  async reopen(): Promise<void> {
    const { indexes, kinds, writers, levelOf } = this.#parts;
    if (this.#state === 'open' || kinds.length === 0 || levelOf() === 'none') return;
    await Promise.all(kinds.map((kind) => indexes.permit(writers(), kind)));
    this.#state = 'open';
  }
}
