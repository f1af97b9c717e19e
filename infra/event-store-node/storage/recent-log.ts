import type { StreamEvent } from './index-records.ts';
import type { IndexedEvent, PlacedRecord } from './record-store.ts';
import type { StreamState } from '../stream-state.ts';

/** A group of records that is durable, with what it adds to the index. */
export interface LogGroup {
  readonly start: number;
  readonly end: number;
  readonly records: readonly Buffer[];
  readonly events: readonly StreamEvent[];
  readonly states: ReadonlyMap<string, StreamState>;
}

/** Records dropped after which the list of records is shortened. */
const SHORTEN_AT = 4096;

/** The end of the log as it is in memory: what is durable in the write-ahead log but not yet in the store. */
export class RecentLog {
  readonly #groups: LogGroup[] = [];
  readonly #states = new Map<string, { state: StreamState; end: number }>();
  /** The recent events of a stream: positions from revision `first` on. */
  readonly #runs = new Map<string, { first: number; positions: number[] }>();
  #records: PlacedRecord[] = [];
  #dropped = 0;
  #bytes = 0;

  /** Bytes of records held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Position of the first record held; Infinity without one. */
  get start(): number {
    return this.#records[this.#dropped]?.position ?? Infinity;
  }

  /** Adds a group that follows directly on the last one. */
  add(group: LogGroup): void {
    this.#groups.push(group);
    this.#bytes += group.end - group.start;
    let position = group.start;
    for (const record of group.records) {
      this.#records.push({ position, record });
      position += record.length;
    }
    for (const { streamName, revision, position: at } of group.events) {
      const run = this.#runs.get(streamName);
      if (run === undefined) this.#runs.set(streamName, { first: revision, positions: [at] });
      else run.positions.push(at);
    }
    for (const [name, state] of group.states) this.#states.set(name, { state, end: group.end });
  }

  /** Forgets what is in the store: every group that ends at or before `end`. */
  drop(end: number): void {
    const eventsOf = new Map<string, number>();
    for (let group = this.#groups[0]; group !== undefined && group.end <= end; group = this.#groups[0]) {
      this.#groups.shift();
      this.#bytes -= group.end - group.start;
      this.#dropped += group.records.length;
      for (const { streamName } of group.events) eventsOf.set(streamName, (eventsOf.get(streamName) ?? 0) + 1);
      this.#dropStates(group);
    }
    for (const [streamName, count] of eventsOf) this.#dropEvents(streamName, count);
    if (this.#dropped < SHORTEN_AT && this.#groups.length > 0) return;
    this.#records = this.#records.slice(this.#dropped);
    this.#dropped = 0;
  }

  #dropStates(group: LogGroup): void {
    for (const name of group.states.keys()) if (this.#states.get(name)?.end === group.end) this.#states.delete(name);
  }

  #dropEvents(streamName: string, count: number): void {
    const run = this.#runs.get(streamName);
    if (run === undefined) return;
    run.first += count;
    run.positions.splice(0, count);
    if (run.positions.length === 0) this.#runs.delete(streamName);
  }

  /** The state of a stream that was written lately. */
  stateOf(streamName: string): StreamState | undefined {
    return this.#states.get(streamName)?.state;
  }

  /** The first revision of a stream that is here; Infinity without one. */
  firstRevision(streamName: string): number {
    return this.#runs.get(streamName)?.first ?? Infinity;
  }

  /** The events of a stream that are here, from one revision to another in that direction, at most `limit`. */
  events(streamName: string, range: { from: number; to: number }, limit: number): IndexedEvent[] {
    const run = this.#runs.get(streamName);
    const found: IndexedEvent[] = [];
    if (run === undefined) return found;
    const step = range.to < range.from ? -1 : 1;
    for (let revision = range.from; (range.to - revision) * step >= 0 && found.length < limit; revision += step) {
      const position = run.positions[revision - run.first];
      if (position !== undefined) found.push({ revision, position });
    }
    return found;
  }

  /** The record at exactly this position. */
  recordAt(position: number): Buffer | undefined {
    const found = this.#records[this.#indexOf(position)];
    return found?.position === position ? found.record : undefined;
  }

  /** Records at or after `from`, oldest first. */
  *forward(from: number): Generator<PlacedRecord> {
    let index = this.#indexOf(from);
    for (let placed = this.#records[index]; placed !== undefined; placed = this.#records[++index]) yield placed;
  }

  /** Records before `before`, newest first. */
  *backward(before: number): Generator<PlacedRecord> {
    for (let index = this.#indexOf(before) - 1; index >= this.#dropped; index--) {
      const placed = this.#records[index];
      if (placed !== undefined) yield placed;
    }
  }

  /** The index of the first record at or after a position. */
  #indexOf(position: number): number {
    let low = this.#dropped;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#records[middle]?.position ?? Infinity) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
