import { createHash } from 'node:crypto';
import { open } from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';
import { indexChangesOf } from './index-records.ts';
import { EMPTY_STREAM } from '../stream-state.ts';
import type { StreamState } from '../stream-state.ts';

type StoredState = [
  id: number,
  revision: number,
  tombstoned: 0 | 1,
  truncateBefore: number,
  maxCount: number,
  maxAgeMs: number,
];

/** A record and where it is. */
export interface PlacedRecord {
  readonly position: number;
  readonly record: Buffer;
}

/** A revision of a stream and where it is. */
export interface IndexedEvent {
  readonly revision: number;
  readonly position: number;
}

/** Nothing is ever at position 0, so that a client may pass it as "before the first event". */
const FIRST_POSITION = 256;
const LONGEST_PLAIN_KEY = 1024;
/** Among the streams, but no stream's key. */
const GREATEST_ID = Buffer.from([2]);

/**
 * The records by position, positions by stream and revision, and a state per stream, in one LMDB environment. One
 * thread writes, any may read: synchronously, and what they see is never half of a write.
 */
export class RecordStore {
  readonly #root: RootDatabase;
  readonly #records: Database<Buffer, number>;
  readonly #positions: Database<number, [number, number]>;
  readonly #states: Database<StoredState, Buffer>;

  /** Opens or creates the store in `directory`. Throws if it cannot be read and written. */
  constructor(directory: string) {
    this.#root = open({ path: directory, overlappingSync: false, maxDbs: 8 });
    this.#records = this.#root.openDB({ name: 'records', encoding: 'binary' });
    this.#positions = this.#root.openDB({ name: 'positions', encoding: 'ordered-binary' });
    this.#states = this.#root.openDB({ name: 'streams', encoding: 'msgpack', keyEncoding: 'binary' });
  }

  /** Where the records in the store end. */
  end(): number {
    for (const { key, value } of this.#records.getRange({ reverse: true, limit: 1 })) return key + value.length;
    return FIRST_POSITION;
  }

  /** What is known of a stream; the empty state for one that was never written. */
  stateOf(streamName: string): StreamState {
    const stored = this.#states.get(streamKey(streamName));
    if (stored === undefined) return EMPTY_STREAM;
    const [, revision, tombstoned, truncateBefore, maxCount, maxAgeMs] = stored;
    return { revision, tombstoned: tombstoned === 1, limits: { truncateBefore, maxCount, maxAgeMs } };
  }

  /** The events of a stream from one revision to another, both included, in that direction, at most `limit`. */
  events(streamName: string, range: { from: number; to: number }, limit: number): IndexedEvent[] {
    const id = this.#states.get(streamKey(streamName))?.[0];
    if (id === undefined) return [];
    const start: [number, number] = [id, range.from];
    const end: [number, number] = [id, range.to];
    const entries = this.#positions.getRange({ start, end, inclusiveEnd: true, reverse: range.to < range.from, limit });
    return [...entries.map(({ key, value }) => ({ revision: key[1], position: value }))];
  }

  /** The record at exactly this position. */
  recordAt(position: number): Buffer | undefined {
    return this.#records.get(position);
  }

  /** Records at or after `from` and before `to`, oldest first, at most `limit`. */
  *forward(from: number, to: number, limit: number): Generator<PlacedRecord> {
    for (const { key, value } of this.#records.getRange({ start: from, end: to, limit }))
      yield { position: key, record: value };
  }

  /** Records before `before`, newest first, at most `limit`. */
  *backward(before: number, limit: number): Generator<PlacedRecord> {
    const range = this.#records.getRange({ start: before, exclusiveStart: true, reverse: true, limit });
    for (const { key, value } of range) yield { position: key, record: value };
  }

  /** Writes records that follow directly on those in the store, with their index, in one durable transaction. */
  write(records: readonly PlacedRecord[]): void {
    this.#root.transactionSync(() => {
      const { events, states } = indexChangesOf(
        records.map(({ record }) => record),
        (name) => this.stateOf(name),
      );
      const ids = this.#idsOf(states.keys());
      for (const { position, record } of records) this.#records.putSync(position, record);
      for (const { streamName, revision, position } of events)
        this.#positions.putSync([ids.get(streamName) ?? 0, revision], position);
      for (const [name, state] of states) this.#states.putSync(streamKey(name), toStored(ids.get(name) ?? 0, state));
    });
  }

  /** Numbers for streams: small keys keep the events of a stream together. */
  #idsOf(streamNames: Iterable<string>): Map<string, number> {
    const before = this.#states.get(GREATEST_ID)?.[0] ?? 0;
    let greatest = before;
    const ids = new Map<string, number>();
    for (const name of streamNames) ids.set(name, this.#states.get(streamKey(name))?.[0] ?? ++greatest);
    if (greatest > before) this.#states.putSync(GREATEST_ID, toStored(greatest, EMPTY_STREAM));
    return ids;
  }

  /** Makes what another thread has written visible to this one. */
  refresh(): void {
    this.#root.resetReadTxn();
  }

  /** Closes the files for this thread. */
  async close(): Promise<void> {
    await this.#root.close();
  }
}

function toStored(id: number, { revision, tombstoned, limits }: StreamState): StoredState {
  return [id, revision, tombstoned ? 1 : 0, limits.truncateBefore, limits.maxCount, limits.maxAgeMs];
}

/** Long names go by their hash: an LMDB key holds less than 2 KiB. */
function streamKey(streamName: string): Buffer {
  const name = Buffer.from(streamName);
  if (name.length <= LONGEST_PLAIN_KEY) return Buffer.concat([Buffer.from([0]), name]);
  return Buffer.concat([Buffer.from([1]), createHash('sha256').update(name).digest()]);
}
