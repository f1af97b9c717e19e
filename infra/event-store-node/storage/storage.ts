import { DataDirLock } from './data-dir-lock.ts';
import { ensureDirectory } from './data-dir.ts';
import { indexChangesOf } from './index-records.ts';
import { RecentLog } from './recent-log.ts';
import type { LogGroup } from './recent-log.ts';
import { RecordStore } from './record-store.ts';
import type { IndexedEvent, PlacedRecord } from './record-store.ts';
import { StoreThread } from './store-thread.ts';
import type { StreamState } from '../stream-state.ts';
import { encodeFrame, splitRecords } from './wal-frame.ts';
import type { WalFrame } from './wal-frame.ts';
import { WriteAheadLog } from './write-ahead-log.ts';

/** How much one page may hold: a bound on the memory of every reader. */
export interface PageSize {
  readonly records: number;
  readonly bytes: number;
}

/** A stretch of the log in the order of the read. */
export interface Page {
  readonly records: Buffer[];
  readonly positions: number[];
  /** Whether the read came to the end of what was asked for. */
  readonly done: boolean;
}

/** Bytes that may be in memory only; more, and writers wait for the store. */
const MOST_RECENT_BYTES = 32 * 1024 * 1024;

/**
 * The node's data. A group of records is durable once it is in the write-ahead log; a thread brings it into the store,
 * where it is found by position and by stream; until then it is found in memory. Reads see a group as soon as its
 * commit resolves.
 */
export class Storage {
  readonly #wal: WriteAheadLog;
  readonly #store: RecordStore;
  readonly #lock: DataDirLock;
  readonly #thread: StoreThread;
  readonly #recent = new RecentLog();
  #end: number;

  /** Opens the data in `dataDir` for this process alone. Rejects with DataDirInUseError, or with the system's error. */
  static async open(dataDir: string, mostCommitsAtOnce?: number): Promise<Storage> {
    await ensureDirectory(dataDir);
    const lock = await DataDirLock.take(dataDir);
    try {
      return await Storage.#openLocked(dataDir, lock, mostCommitsAtOnce);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  static async #openLocked(
    dataDir: string,
    lock: DataDirLock,
    mostCommitsAtOnce: number | undefined,
  ): Promise<Storage> {
    const store = new RecordStore(dataDir);
    const { log, frames } = await WriteAheadLog.open(dataDir, mostCommitsAtOnce).catch(async (error: unknown) => {
      await store.close();
      throw error;
    });
    const storage = new Storage({ wal: log, store, lock }, dataDir);
    try {
      await storage.#replay(frames);
      return storage;
    } catch (error) {
      await storage.#closeFiles();
      throw error;
    }
  }

  private constructor(parts: { wal: WriteAheadLog; store: RecordStore; lock: DataDirLock }, dataDir: string) {
    this.#wal = parts.wal;
    this.#store = parts.store;
    this.#lock = parts.lock;
    this.#end = parts.store.end();
    this.#thread = new StoreThread(dataDir, (end) => {
      this.#store.refresh();
      this.#recent.drop(end);
    });
  }

  /** Brings into the store what a crash kept out of it, so that the write-ahead log may begin anew. */
  async #replay(frames: readonly WalFrame[]): Promise<void> {
    for (const frame of frames) {
      if (frame.start !== this.#end) continue;
      const records = splitRecords(frame.payload);
      const end = frame.start + frame.payload.length;
      const changes = indexChangesOf(records, (name) => this.stateOf(name));
      this.#add({ start: frame.start, end, records, ...changes }, encodeFrame(0, frame.start, records));
    }
    await this.#thread.until(() => this.#recent.bytes === 0);
    await this.#wal.clear();
  }

  #add(group: LogGroup, frame: Buffer<ArrayBuffer>): void {
    this.#recent.add(group);
    this.#end = group.end;
    this.#thread.store(group.start, frame);
  }

  /** The position that the next record will take. */
  get end(): number {
    return this.#end;
  }

  /** What is known of a stream; the empty state for one that was never written. */
  stateOf(streamName: string): StreamState {
    return this.#recent.stateOf(streamName) ?? this.#store.stateOf(streamName);
  }

  /** The events of a stream from one revision to another, both included, in that direction, at most `limit`. */
  events(streamName: string, range: { from: number; to: number }, limit: number): IndexedEvent[] {
    const firstRecent = this.#recent.firstRevision(streamName);
    const { from, to } = range;
    if (to < from) {
      const recent = this.#recent.events(
        streamName,
        { from, to: Math.max(to, firstRecent) },
        from >= firstRecent ? limit : 0,
      );
      const below = { from: Math.min(from, firstRecent - 1), to };
      return below.from < to ? recent : [...recent, ...this.#stored(streamName, below, limit - recent.length)];
    }
    const stored =
      from < firstRecent ? this.#stored(streamName, { from, to: Math.min(to, firstRecent - 1) }, limit) : [];
    if (to < firstRecent) return stored;
    return [
      ...stored,
      ...this.#recent.events(streamName, { from: Math.max(from, firstRecent), to }, limit - stored.length),
    ];
  }

  #stored(streamName: string, range: { from: number; to: number }, limit: number): IndexedEvent[] {
    return limit > 0 ? this.#store.events(streamName, range, limit) : [];
  }

  /** The record of an event of a stream. */
  recordOf(streamName: string, revision: number): Buffer | undefined {
    const [event] = this.events(streamName, { from: revision, to: revision }, 1);
    return event === undefined ? undefined : this.recordAt(event.position);
  }

  /** The record at exactly this position. */
  recordAt(position: number): Buffer | undefined {
    return position >= this.#recent.start ? this.#recent.recordAt(position) : this.#store.recordAt(position);
  }

  /** Records at or after `from`, oldest first. */
  pageForward(from: number, size: PageSize): Page {
    const { start } = this.#recent;
    return page(size, from < start ? this.#store.forward(from, start, size.records) : [], this.#recent.forward(from));
  }

  /** Records before `before`, newest first. */
  pageBackward(before: number, size: PageSize): Page {
    return page(
      size,
      this.#recent.backward(before),
      this.#store.backward(Math.min(before, this.#recent.start), size.records),
    );
  }

  /** How many commits should be under way at once. */
  get mostCommitsAtOnce(): number {
    return this.#wal.mostAtOnce;
  }

  /** Resolves once there is room for another commit. Rejects when the store has failed. */
  async room(): Promise<void> {
    const { mustBeStored } = this.#wal;
    // Commits that are still being written are not among the recent ones yet.
    if (mustBeStored > this.#end) await this.#wal.written();
    await this.#thread.until(() => this.#recent.start >= mustBeStored && this.#recent.bytes < MOST_RECENT_BYTES);
  }

  /**
   * Resolves once the records, and those of all commits before, are on disk (fsync); they are seen from then on. A
   * commit that begins while others are under way must follow on them. Rejects if the disk refuses: then none of the
   * records counts.
   */
  async commit(group: LogGroup): Promise<void> {
    if (group.records.length === 0) await this.#wal.written();
    else this.#add(group, await this.#wal.write(group.records, group.start, group.end));
  }

  /** Stores everything, closes the files and gives the directory back; no commit may be running. */
  async close(): Promise<void> {
    await this.#closeFiles();
    await this.#lock.release();
  }

  async #closeFiles(): Promise<void> {
    await this.#thread.close();
    await this.#wal.close();
    await this.#store.close();
  }
}

function page(size: PageSize, ...parts: Iterable<PlacedRecord>[]): Page {
  const records: Buffer[] = [];
  const positions: number[] = [];
  let bytes = 0;
  for (const part of parts) {
    for (const { position, record } of part) {
      records.push(record);
      positions.push(position);
      bytes += record.length;
      if (records.length >= size.records || bytes >= size.bytes) return { records, positions, done: false };
    }
  }
  return { records, positions, done: true };
}
