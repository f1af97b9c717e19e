import { createHash } from 'node:crypto';
import { open } from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';
import { isRunning, ownIdentity, ProcessIdentitySchema } from './process-identity.ts';
import { EMPTY_STREAM, NO_LIMITS } from './stream-state.ts';
import type { StreamState } from './stream-state.ts';

/** One group of events and stream states that becomes durable together or not at all. */
export interface LogChanges {
  readonly records: ReadonlyMap<number, Buffer>;
  readonly index: readonly (readonly [streamId: number, revision: number, position: number])[];
  readonly states: ReadonlyMap<string, StreamState>;
}

/** A stretch of the log in the order of the read. */
export interface Page {
  readonly records: Buffer[];
  readonly positions: number[];
  /** Position of the last record, where the read began if there is none. */
  readonly lastPosition: number;
  /** Whether the read came to the end of what was asked for. */
  readonly done: boolean;
}

/** How much one page may hold: a bound on the memory of every reader. */
export interface PageSize {
  readonly records: number;
  readonly bytes: number;
}

type StoredState = [id: number, revision: number, tombstoned: 0 | 1, truncateBefore: number, maxCount: number, maxAgeMs: number];

/** Another process, or another node of this one, works on the directory. */
export class DataDirInUseError extends Error {
  override readonly name = 'DataDirInUseError';

  constructor(dataDir: string, pid: number) {
    super(`the data directory ${dataDir} is in use by process ${pid}`);
  }
}

/** Nothing is ever at position 0, so that a client may pass it as "before the first event". */
const FIRST_POSITION = 256;
const LONGEST_PLAIN_KEY = 1024;
const OWNER_KEY = 'owner';

/**
 * The log on disk: records by position, positions by stream and revision, and a state per stream. Reads are synchronous
 * and see every commit whose promise has resolved.
 */
export class Storage {
  readonly #root: RootDatabase;
  readonly #records: Database<Buffer, number>;
  readonly #index: Database<number, [number, number]>;
  readonly #states: Database<StoredState, Buffer>;

  /**
   * Opens or creates the store in the directory `dataDir` for this process alone. Rejects with DataDirInUseError while another
   * one has it, and with the system's error if the directory cannot be read and written.
   */
  static async open(dataDir: string): Promise<Storage> {
    const root = open({ path: dataDir, overlappingSync: false, maxDbs: 8 });
    // A write transaction excludes every other process, so of two that find a dead owner only one succeeds it.
    const claim = root.transaction(() => {
      const owner = ProcessIdentitySchema.safeParse(root.get(OWNER_KEY));
      if (owner.success && isRunning(owner.data)) return owner.data.pid;
      void root.put(OWNER_KEY, ownIdentity());
      return undefined;
    });
    const owner = await claim;
    if (owner === undefined) return new Storage(root);
    await root.close();
    throw new DataDirInUseError(dataDir, owner);
  }

  private constructor(root: RootDatabase) {
    this.#root = root;
    this.#records = this.#root.openDB({ name: 'records', encoding: 'binary' });
    this.#index = this.#root.openDB({ name: 'index', encoding: 'ordered-binary' });
    this.#states = this.#root.openDB({ name: 'streams', encoding: 'msgpack', keyEncoding: 'binary' });
  }

  /** The position that the next record will take: the end of the last one. */
  nextPosition(): number {
    for (const { key, value } of this.#records.getRange({ reverse: true, limit: 1 })) return key + value.length;
    return FIRST_POSITION;
  }

  /** The greatest stream id in use, 0 in an empty log. */
  greatestStreamId(): number {
    for (const key of this.#index.getKeys({ reverse: true, limit: 1 })) return key[0];
    return 0;
  }

  /** What is known of a stream; the empty state for one that was never written. */
  stateOf(streamName: string): StreamState {
    const stored = this.#states.get(streamKey(streamName));
    if (stored === undefined) return EMPTY_STREAM;
    const [id, revision, tombstoned, truncateBefore, maxCount, maxAgeMs] = stored;
    return { id, revision, tombstoned: tombstoned === 1, limits: { truncateBefore, maxCount, maxAgeMs } };
  }

  /** Where the event at a revision of a stream is. */
  positionOf(streamId: number, revision: number): number | undefined {
    return this.#index.get([streamId, revision]);
  }

  /** The record at exactly this position. */
  recordAt(position: number): Buffer | undefined {
    return this.#records.get(position);
  }

  /** Records at or after `from`, oldest first. */
  pageForward(from: number, size: PageSize): Page {
    return this.#page({ start: from, limit: size.records }, size);
  }

  /** Records before `before`, newest first. */
  pageBackward(before: number, size: PageSize): Page {
    return this.#page({ start: before, exclusiveStart: true, reverse: true, limit: size.records }, size);
  }

  #page(range: { start: number; exclusiveStart?: boolean; reverse?: boolean; limit: number }, size: PageSize): Page {
    const records: Buffer[] = [];
    const positions: number[] = [];
    let bytes = 0;
    for (const { key, value } of this.#records.getRange(range)) {
      records.push(value);
      positions.push(key);
      bytes += value.length;
      if (bytes >= size.bytes) break;
    }
    const done = records.length < size.records && bytes < size.bytes;
    return { records, positions, lastPosition: positions.at(-1) ?? range.start, done };
  }

  /** Positions of the events of a stream from one revision to another, both included, in that direction, at most `limit`. */
  positions(streamId: number, range: { from: number; to: number }, limit: number): { revision: number; position: number }[] {
    const reverse = range.to < range.from;
    const found: { revision: number; position: number }[] = [];
    const options = { start: key(streamId, range.from), end: key(streamId, range.to), inclusiveEnd: true, reverse, limit };
    for (const entry of this.#index.getRange(options)) found.push({ revision: entry.key[1], position: entry.value });
    return found;
  }

  /** Writes the changes in one transaction; resolves once they are on disk (fsync), rejects if none of them was written. */
  async commit(changes: LogChanges): Promise<void> {
    await this.#root.batch(() => {
      for (const [position, record] of changes.records) void this.#records.put(position, record);
      for (const [streamId, revision, position] of changes.index) void this.#index.put(key(streamId, revision), position);
      for (const [name, state] of changes.states) void this.#states.put(streamKey(name), toStored(state));
    });
  }

  /** Waits for running commits, gives the directory up and closes the files. */
  async close(): Promise<void> {
    await this.#root.remove(OWNER_KEY);
    await this.#root.close();
  }
}

function key(streamId: number, revision: number): [number, number] {
  return [streamId, revision];
}

function toStored(state: StreamState): StoredState {
  const { truncateBefore, maxCount, maxAgeMs } = state.limits === NO_LIMITS ? NO_LIMITS : state.limits;
  return [state.id, state.revision, state.tombstoned ? 1 : 0, truncateBefore, maxCount, maxAgeMs];
}

/** Long names go by their hash: an LMDB key holds less than 2 KiB. */
function streamKey(streamName: string): Buffer {
  const name = Buffer.from(streamName);
  if (name.length <= LONGEST_PLAIN_KEY) return Buffer.concat([Buffer.from([0]), name]);
  return Buffer.concat([Buffer.from([1]), createHash('sha256').update(name).digest()]);
}
