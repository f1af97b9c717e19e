import { join } from 'node:path';
import { open } from 'lmdb';
import type { RootDatabase } from 'lmdb';
import { z } from 'zod';
import { LogSpace } from './log-space.ts';

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

/** Nothing is ever at position 0, so that a client may pass it as "before the first event". */
export const FIRST_POSITION = 256;

/** While commits take less than this on average, they run on the main thread. */
const QUICK_COMMIT_MS = 2;
const SMOOTHING = 0.1;
/** How many commits a thread makes before the main thread tries again. */
const COMMITS_UNTIL_NEXT_TRY = 200;

const StatsSchema = z.object({ lastPageNumber: z.number(), pageSize: z.number() });

/**
 * The records by position: the only durable truth of the node. New records go to the right edge of the one tree of their own
 * file, so a commit writes few pages. Reads are synchronous and see every commit whose promise has resolved.
 */
export class RecordLog {
  readonly #records: RootDatabase<Buffer, number>;
  readonly #space: LogSpace;
  #commitMs = 0;
  #slowCommits = 0;

  /** Opens or creates the log in `directory`. Throws if it cannot be read and written. */
  constructor(directory: string) {
    this.#records = open<Buffer, number>({ path: directory, overlappingSync: false, encoding: 'binary' });
    this.#space = new LogSpace(join(directory, 'data.mdb'), () => this.#usedBytes());
  }

  /** The position that the next record will take: the end of the last one. */
  nextPosition(): number {
    for (const { key, value } of this.#records.getRange({ reverse: true, limit: 1 })) return key + value.length;
    return FIRST_POSITION;
  }

  /** The record at exactly this position. */
  at(position: number): Buffer | undefined {
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

  /** Writes the records in one transaction; resolves once they are on disk (fsync), rejects if none of them was written. */
  async commit(records: ReadonlyMap<number, Buffer>): Promise<void> {
    await this.#space.reserve(records.values());
    if (this.#slowCommits > 0) {
      this.#slowCommits--;
      await this.#commitOnThread(records);
      return;
    }
    const start = performance.now();
    this.#commitHere(records);
    this.#commitMs += SMOOTHING * (performance.now() - start - this.#commitMs);
    if (this.#commitMs > QUICK_COMMIT_MS) this.#slowCommits = COMMITS_UNTIL_NEXT_TRY;
  }

  /** On a quick disk, handing the commit to a thread and back takes longer than the commit. */
  #commitHere(records: ReadonlyMap<number, Buffer>): void {
    this.#records.transactionSync(() => {
      for (const [position, record] of records) this.#records.putSync(position, record);
    });
  }

  /** On a slow one, a thread waits for it, and reads go on meanwhile. */
  async #commitOnThread(records: ReadonlyMap<number, Buffer>): Promise<void> {
    await this.#records.batch(() => {
      for (const [position, record] of records) void this.#records.put(position, record);
    });
  }

  #usedBytes(): number {
    const { lastPageNumber, pageSize } = StatsSchema.parse(this.#records.getStats());
    return (lastPageNumber + 1) * pageSize;
  }

  /** Closes the file; no commit may be running. */
  async close(): Promise<void> {
    await this.#records.close();
  }
}
