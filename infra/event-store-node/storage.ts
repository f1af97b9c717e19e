import { join } from 'node:path';
import { ensureDirectory } from './data-dir.ts';
import type { IndexChanges } from './index-overlay.ts';
import { indexChangesOf } from './index-records.ts';
import { FIRST_POSITION, RecordLog } from './record-log.ts';
import type { Page, PageSize } from './record-log.ts';
import { StreamIndex } from './stream-index.ts';
import type { IndexedEvent } from './stream-index.ts';
import type { StreamState } from './stream-state.ts';

/** One group of records that becomes durable together or not at all, and what it adds to the index. */
export interface LogChanges extends IndexChanges {
  readonly records: ReadonlyMap<number, Buffer>;
  /** Where the log ends with these records. */
  readonly end: number;
}

const REPLAY_PAGE: PageSize = { records: 1024, bytes: 4 * 1024 * 1024 };

/** The node's data: the log of records, which is the truth, and the index of streams, which follows from it. */
export class Storage {
  readonly #log: RecordLog;
  readonly #index: StreamIndex;

  /** Opens the data for this process alone and brings the index up to the log. Rejects as `StreamIndex.open` does. */
  static async open(dataDir: string): Promise<Storage> {
    const [logDir, indexDir] = [join(dataDir, 'log'), join(dataDir, 'index')];
    await ensureDirectory(logDir);
    await ensureDirectory(indexDir);
    const index = await StreamIndex.open(indexDir, FIRST_POSITION);
    try {
      const storage = new Storage(new RecordLog(logDir), index);
      await storage.#catchUpIndex();
      return storage;
    } catch (error) {
      await index.close();
      throw error;
    }
  }

  private constructor(log: RecordLog, index: StreamIndex) {
    this.#log = log;
    this.#index = index;
  }

  /** Reads what a crash kept out of the index, or all of the log when the index is new. */
  async #catchUpIndex(): Promise<void> {
    for (;;) {
      const { records, positions, done } = this.#log.pageForward(this.#index.indexedUpTo, REPLAY_PAGE);
      const last = records.at(-1);
      if (last !== undefined) this.#index.add(indexChangesOf(records, this), (positions.at(-1) ?? 0) + last.length);
      if (done) return;
      await this.#index.room();
    }
  }

  /** The position that the next record will take. */
  nextPosition(): number {
    return this.#log.nextPosition();
  }

  /** The greatest stream id in use, 0 in an empty log. */
  greatestStreamId(): number {
    return this.#index.greatestStreamId();
  }

  /** What is known of a stream; the empty state for one that was never written. */
  stateOf(streamName: string): StreamState {
    return this.#index.stateOf(streamName);
  }

  /** Where the event at a revision of a stream is. */
  positionOf(streamId: number, revision: number): number | undefined {
    return this.#index.positionOf(streamId, revision);
  }

  /** The events of a stream from one revision to another, both included, in that direction, at most `limit`. */
  events(streamId: number, range: { from: number; to: number }, limit: number): IndexedEvent[] {
    return this.#index.events(streamId, range, limit);
  }

  /** The record at exactly this position. */
  recordAt(position: number): Buffer | undefined {
    return this.#log.at(position);
  }

  /** Records at or after `from`, oldest first. */
  pageForward(from: number, size: PageSize): Page {
    return this.#log.pageForward(from, size);
  }

  /** Records before `before`, newest first. */
  pageBackward(before: number, size: PageSize): Page {
    return this.#log.pageBackward(before, size);
  }

  /** Resolves once the records are on disk (fsync), all of them; rejects if none of them was written. */
  async commit(changes: LogChanges): Promise<void> {
    await this.#index.room();
    await this.#log.commit(changes.records);
    this.#index.add(changes, changes.end);
  }

  /** Waits for running commits and closes the files. */
  async close(): Promise<void> {
    await this.#log.close();
    await this.#index.close();
  }
}
