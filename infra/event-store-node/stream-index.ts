import { createHash } from 'node:crypto';
import { open } from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';
import { IndexOverlay } from './index-overlay.ts';
import type { IndexChanges } from './index-overlay.ts';
import { EMPTY_STREAM } from './stream-state.ts';
import { isRunning, ownIdentity, ProcessIdentitySchema } from './process-identity.ts';
import type { StreamState } from './stream-state.ts';

type StoredState = [id: number, revision: number, tombstoned: 0 | 1, truncateBefore: number, maxCount: number, maxAgeMs: number];

/** Another process, or another node of this one, works on the directory. */
export class DataDirInUseError extends Error {
  override readonly name = 'DataDirInUseError';

  constructor(directory: string, pid: number) {
    super(`the data directory ${directory} is in use by process ${pid}`);
  }
}

/** A revision of a stream and where it is. */
export interface IndexedEvent {
  readonly revision: number;
  readonly position: number;
}

const LONGEST_PLAIN_KEY = 1024;
const INDEXED_UP_TO = 'indexed-up-to';
const OWNER = 'owner';
/** Entries in memory at which they go to the files; small enough not to hold up other work noticeably. */
const FLUSH_AT = 1024;
/** How long entries may stay in memory alone: what a restart after a kill has to read again. */
const FLUSH_AFTER_MS = 500;
/** Entries in memory above which appends wait for the files. */
const FULL_AT = 32_768;

/**
 * Finds events by stream: positions by stream and revision, and a state per stream. It is derived from the log and written
 * behind it, off the path of the appends, because the scattered pages of an index cost several times what the log's do. What
 * is not in the files yet is in memory, and is read again from the log after a crash (`indexedUpTo`).
 */
export class StreamIndex {
  readonly #root: RootDatabase;
  readonly #positions: Database<number, [number, number]>;
  readonly #states: Database<StoredState, Buffer>;
  #recent = new IndexOverlay();
  #flushing: IndexOverlay | undefined;
  #end: number;
  #flush: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failure: unknown;

  /**
   * Opens or creates the index files in `directory` for this process alone. Rejects with DataDirInUseError while another one
   * has them, and with the system's error if they cannot be read and written.
   */
  static async open(directory: string, firstPosition: number): Promise<StreamIndex> {
    const root = open({ path: directory, overlappingSync: false, maxDbs: 4 });
    // A write transaction excludes every other process, so of two that find a dead owner only one succeeds it.
    const owner = await root.transaction(() => {
      const current = ProcessIdentitySchema.safeParse(root.get(OWNER));
      if (current.success && isRunning(current.data)) return current.data.pid;
      void root.put(OWNER, ownIdentity());
      return undefined;
    });
    if (owner === undefined) return new StreamIndex(root, firstPosition);
    await root.close();
    throw new DataDirInUseError(directory, owner);
  }

  private constructor(root: RootDatabase, firstPosition: number) {
    this.#root = root;
    this.#positions = this.#root.openDB({ name: 'positions', encoding: 'ordered-binary' });
    this.#states = this.#root.openDB({ name: 'streams', encoding: 'msgpack', keyEncoding: 'binary' });
    const indexed: unknown = this.#root.get(INDEXED_UP_TO);
    this.#end = typeof indexed === 'number' ? indexed : firstPosition;
  }

  /** Records from this position on are not in the index yet. */
  get indexedUpTo(): number {
    return this.#end;
  }

  /** The greatest stream id in use, 0 in an empty log. */
  greatestStreamId(): number {
    let greatest = 0;
    for (const key of this.#positions.getKeys({ reverse: true, limit: 1 })) greatest = key[0];
    for (const overlay of this.#overlays()) for (const id of overlay.runs.keys()) greatest = Math.max(greatest, id);
    return greatest;
  }

  /** What is known of a stream; the empty state for one that was never written. */
  stateOf(streamName: string): StreamState {
    const recent = this.#recent.states.get(streamName) ?? this.#flushing?.states.get(streamName);
    if (recent !== undefined) return recent;
    const stored = this.#states.get(streamKey(streamName));
    if (stored === undefined) return EMPTY_STREAM;
    const [id, revision, tombstoned, truncateBefore, maxCount, maxAgeMs] = stored;
    return { id, revision, tombstoned: tombstoned === 1, limits: { truncateBefore, maxCount, maxAgeMs } };
  }

  /** Where the event at a revision of a stream is. */
  positionOf(streamId: number, revision: number): number | undefined {
    for (const overlay of this.#overlays()) {
      const run = overlay.runs.get(streamId);
      if (run !== undefined && revision >= run.first) return run.positions[revision - run.first];
    }
    return this.#positions.get([streamId, revision]);
  }

  /** The events of a stream from one revision to another, both included, in that direction, at most `limit`. */
  events(streamId: number, range: { from: number; to: number }, limit: number): IndexedEvent[] {
    const low = Math.min(range.from, range.to);
    const high = Math.max(range.from, range.to);
    const firstRecent = this.#firstRecent(streamId);
    if (high < firstRecent) return this.#stored(streamId, range, limit);
    const found: IndexedEvent[] = [];
    const backwards = range.to < range.from;
    const take = (from: number, to: number): void => {
      const step = backwards ? -1 : 1;
      for (let revision = from; (to - revision) * step >= 0 && found.length < limit; revision += step) {
        const position = this.positionOf(streamId, revision);
        if (position !== undefined) found.push({ revision, position });
      }
    };
    if (backwards) take(high, Math.max(low, firstRecent));
    const storedHigh = firstRecent - 1;
    if (low <= storedHigh && found.length < limit) {
      const stored = backwards ? { from: storedHigh, to: low } : { from: low, to: storedHigh };
      found.push(...this.#stored(streamId, stored, limit - found.length));
    }
    if (!backwards) take(Math.max(low, firstRecent), high);
    return found;
  }

  /** Adds what was just written to the log, which ends at `end` now. Lookups see it at once. */
  add(changes: IndexChanges, end: number): void {
    this.#recent.add(changes);
    this.#end = end;
    if (this.#recent.size >= FLUSH_AT) this.#startFlush();
    else this.#timer ??= setTimeout(() => this.#startFlush(), FLUSH_AFTER_MS);
  }

  /** Resolves once few enough entries are in memory only. Rejects when the index files cannot be written. */
  async room(): Promise<void> {
    while (this.#recent.size >= FULL_AT && this.#flush !== undefined) await this.#flush;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Writes what is in memory only, gives the directory up and closes the files. */
  async close(): Promise<void> {
    do {
      this.#startFlush();
      await this.#flush;
    } while (this.#recent.size > 0 && this.#failure === undefined);
    clearTimeout(this.#timer);
    await this.#root.remove(OWNER);
    await this.#root.close();
  }

  #startFlush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#flush !== undefined || this.#recent.size === 0) return;
    this.#flush = this.#writeRecent().catch((error: unknown) => {
      this.#failure = error;
    }).finally(() => {
      this.#flush = undefined;
      if (this.#recent.size >= FLUSH_AT && this.#failure === undefined) this.#startFlush();
    });
  }

  async #writeRecent(): Promise<void> {
    const overlay = this.#recent;
    const end = this.#end;
    this.#flushing = overlay;
    this.#recent = new IndexOverlay();
    await this.#root.batch(() => {
      for (const [streamId, run] of overlay.runs) {
        for (const [index, position] of run.positions.entries()) void this.#positions.put([streamId, run.first + index], position);
      }
      for (const [name, state] of overlay.states) void this.#states.put(streamKey(name), toStored(state));
      void this.#root.put(INDEXED_UP_TO, end);
    });
    this.#flushing = undefined;
  }

  #overlays(): IndexOverlay[] {
    return this.#flushing === undefined ? [this.#recent] : [this.#recent, this.#flushing];
  }

  #firstRecent(streamId: number): number {
    return Math.min(...this.#overlays().map((overlay) => overlay.runs.get(streamId)?.first ?? Infinity));
  }

  #stored(streamId: number, range: { from: number; to: number }, limit: number): IndexedEvent[] {
    const options = {
      start: key(streamId, range.from), end: key(streamId, range.to), inclusiveEnd: true, reverse: range.to < range.from, limit,
    };
    return [...this.#positions.getRange(options).map((entry) => ({ revision: entry.key[1], position: entry.value }))];
  }
}

function key(streamId: number, revision: number): [number, number] {
  return [streamId, revision];
}

function toStored({ id, revision, tombstoned, limits }: StreamState): StoredState {
  return [id, revision, tombstoned ? 1 : 0, limits.truncateBefore, limits.maxCount, limits.maxAgeMs];
}

/** Long names go by their hash: an LMDB key holds less than 2 KiB. */
function streamKey(streamName: string): Buffer {
  const name = Buffer.from(streamName);
  if (name.length <= LONGEST_PLAIN_KEY) return Buffer.concat([Buffer.from([0]), name]);
  return Buffer.concat([Buffer.from([1]), createHash('sha256').update(name).digest()]);
}
