import type { StreamState } from './stream-state.ts';

/** What one group of records adds to the index. */
export interface IndexChanges {
  /** Events in the order of their revisions. */
  readonly events: readonly (readonly [streamId: number, revision: number, position: number])[];
  readonly states: ReadonlyMap<string, StreamState>;
}

/** Events of one stream without a gap, from revision `first` on. */
export interface RecentRun {
  readonly first: number;
  readonly positions: readonly number[];
}

/** The part of the index that is in memory only: what is in the log but not yet in the index files. */
export class IndexOverlay {
  readonly #states = new Map<string, StreamState>();
  readonly #runs = new Map<number, { first: number; positions: number[] }>();
  #events = 0;

  /** Events and states held. */
  get size(): number {
    return this.#events + this.#states.size;
  }

  get states(): ReadonlyMap<string, StreamState> {
    return this.#states;
  }

  get runs(): ReadonlyMap<number, RecentRun> {
    return this.#runs;
  }

  add(changes: IndexChanges): void {
    for (const [streamId, revision, position] of changes.events) {
      const run = this.#runs.get(streamId);
      if (run === undefined) this.#runs.set(streamId, { first: revision, positions: [position] });
      else run.positions.push(position);
      this.#events++;
    }
    for (const [name, state] of changes.states) this.#states.set(name, state);
  }
}
