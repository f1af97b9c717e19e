/** One member of an index: `score` orders it (milliseconds since 1970), `id` breaks ties. */
export type Entry = { readonly id: string; readonly score: number };

/** Who writes: a lane of a build, and the epoch under which the writer holds it. */
export type Writer = { readonly lane: number; readonly epoch: number };

/** The same additions and removals for each of some indexes. */
export type Change = {
  readonly keys: readonly string[];
  readonly add: readonly Entry[];
  readonly remove: readonly string[];
};

/** An index is cut to `entries` once it has more than `entries` and the slack. */
export type Bound = {
  readonly entries: number;
  readonly slack: number;
  /** An index with less of its lifetime left was not read for long: it is made absent instead of changed. */
  readonly idleBelowMs?: number;
};

/** `absent`, or being computed by the holder of a lease, or complete: its newest entries, newest first. */
export type Found =
  | { readonly state: 'absent' }
  | { readonly state: 'computing' }
  | { readonly state: 'complete'; readonly entries: readonly Entry[] };

/** `busy`: somebody else computes it. `withheld`: indexes of its kind are not made at this moment. */
export type Lease = 'taken' | 'busy' | 'present' | 'withheld';

/** A computed index: its newest entries, newest first; `cut` when there may be more below the last one. */
export type Computed = { readonly entries: readonly Entry[]; readonly cut: boolean };

/** Indexes on Redis that are absent or complete: redis-functions.lua says what that means. */
export type SortedIndexes = {
  /**
   * Adds and removes on those indexes that exist, ends the leases on the others. `incomplete` are unlinked: they lost
   * too much to know their newest entries.
   */
  apply(
    writers: readonly Writer[],
    bound: Bound,
    changes: readonly Change[],
  ): Promise<{ changed: number; incomplete: string[] }>;
  /** Makes indexes absent and ends the leases on them. */
  discard(writers: readonly Writer[], keys: readonly string[]): Promise<void>;
  /**
   * Makes all indexes of a kind (the word behind the prefix in their keys) absent, and keeps readers from making them
   * until the writers permit it again. Safe to call again and again; with `swept` it only looks whether that still
   * holds, and sweeps when it does not.
   */
  withhold(writers: readonly Writer[], kind: string, swept: boolean): Promise<void>;
  permit(writers: readonly Writer[], kind: string): Promise<void>;
  /** Those that have less than `renewBelowMs` to live then live for `renewMs`; 0 leaves all as they are. */
  newest(keys: readonly string[], options: { limit: number; renewMs: number; renewBelowMs?: number }): Promise<Found[]>;
  lease(key: string, token: string, lifetimeMs: number): Promise<Lease>;
  /** False when the lease was broken meanwhile: nothing is written. */
  fill(key: string, token: string, computed: Computed, lifetimeMs: number): Promise<boolean>;
  release(key: string, token: string): Promise<void>;
  /**
   * The keys that start with `prefix`, in no order; a key that comes or goes meanwhile may be missed or be there twice.
   * Throws when a part of Redis is away.
   */
  scan(prefix: string): AsyncIterable<string[]>;
  /**
   * Raises the lanes' epochs everywhere and sets their marks. Throws StaleEpochError when a higher epoch of one is
   * known.
   */
  takeOver(lanes: readonly (Writer & { readonly mark: string })[]): Promise<void>;
  /**
   * Moves marks: the positions up to which the lanes' effects are in Redis. `elsewhere` when a mark is not where it was
   * left: some server came back with an older state, and the lanes have to go back to what `marks` says.
   */
  mark(moves: readonly (Writer & { readonly from: string; readonly to: string })[]): Promise<'marked' | 'elsewhere'>;
  /** For each lane its earliest mark in any part of Redis; undefined where none is known. */
  marks(lanes: readonly number[]): Promise<(string | undefined)[]>;
};
