import { constants, write, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeFrame, framesOf } from './wal-frame.ts';
import type { WalFrame } from './wal-frame.ts';

const NAMES = ['write-ahead-0', 'write-ahead-1'];
/**
 * What a file has room for. Both have their blocks from the start: then a write has only its data to bring to the disk.
 */
const FILE_BYTES = 8 * 1024 * 1024;
/**
 * A small write that takes less than this is made at once, on the thread that asks: handing it to another and hearing
 * of its end takes as long again where processors are few. On a slower disk that thread has better things to do
 * meanwhile, but for every so many writes, by which it learns that the disk has become quick.
 */
const QUICK_MS = 1;
const SMALL_BYTES = 128 * 1024;
const PROBE_EVERY = 64;
/** Above this average a write takes so long that others had better not wait for it. */
const SLOW_MS = 1.5;
const MOST_ON_SLOW_DISK = 4;
const SMOOTHING = 0.05;
const DISK_SMOOTHING = 0.2;

interface WalFile {
  readonly handle: FileHandle;
  used: number;
  /** Where the log ends with the last frame in the file. */
  end: number;
}

/**
 * The write-ahead log: two files in turn, into which each group of records goes with one synchronous write before it is
 * acknowledged. A file is used again once all that it holds is in the store.
 */
export class WriteAheadLog {
  readonly #files: readonly [WalFile, WalFile];
  readonly #mostAtOnce: number | undefined;
  #current: 0 | 1 = 0;
  #epoch = 1;
  #last: Promise<unknown> = Promise.resolve();
  /** How long writes take that others make for us, on average, and how long the disk itself takes for a small one. */
  #writeMs = 0;
  #diskMs: number | undefined;
  /** Writes that went to another thread since the last that did not. */
  #handedOn = 0;

  /**
   * Opens or creates the files in `directory`. `mostAtOnce` overrules what the log finds best for the disk. Gives the
   * frames that they hold, oldest first; those that are not in the store must get there before `clear`.
   */
  static async open(directory: string, mostAtOnce?: number): Promise<{ log: WriteAheadLog; frames: WalFrame[] }> {
    const handles: FileHandle[] = [];
    try {
      const frames: WalFrame[] = [];
      for (const name of NAMES) {
        const handle = await open(join(directory, name), constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC);
        handles.push(handle);
        frames.push(...framesOf(await handle.readFile()));
      }
      const [first, second] = handles;
      if (first === undefined || second === undefined) throw new TypeError('two files are opened');
      return {
        log: new WriteAheadLog(first, second, mostAtOnce),
        frames: frames.toSorted((a, b) => a.start - b.start),
      };
    } catch (error) {
      for (const handle of handles) await handle.close();
      throw error;
    }
  }

  private constructor(first: FileHandle, second: FileHandle, mostAtOnce: number | undefined) {
    this.#mostAtOnce = mostAtOnce;
    this.#files = [
      { handle: first, used: 0, end: 0 },
      { handle: second, used: 0, end: 0 },
    ];
  }

  /**
   * Empties the files. When a crash meets several writes, a later one may be whole and an earlier one not; the later
   * one must not count when one day the gap before it is filled.
   */
  async clear(): Promise<void> {
    for (const { handle } of this.#files) {
      await handle.truncate(0);
      await writeAll(handle.fd, Buffer.alloc(FILE_BYTES), 0);
    }
  }

  /**
   * How many writes should be under way at once. A quick disk is best used by one at a time: each carries more, and
   * costs the processor less. A slow one takes several in hardly more time than one.
   */
  get mostAtOnce(): number {
    return (
      this.#mostAtOnce ??
      (this.#writeMs > SLOW_MS && (this.#handedOn >= PROBE_EVERY || (this.#diskMs ?? 0) > QUICK_MS)
        ? MOST_ON_SLOW_DISK
        : 1)
    );
  }

  /** Up to where records must be in the store before the next write. */
  get mustBeStored(): number {
    return this.#files[this.#current].used < FILE_BYTES ? 0 : this.#files[other(this.#current)].end;
  }

  /**
   * Writes a group of records that begins at `start`, where the last one ended, and ends at `end`. May be called before
   * earlier writes are done. Resolves with the group's frame once it and all before it are on disk. Rejects if the disk
   * refuses it or one before it: from then on every write rejects, since nobody knows what is on the disk.
   */
  write(records: readonly Buffer[], start: number, end: number): Promise<Buffer<ArrayBuffer>> {
    if (this.#files[this.#current].used >= FILE_BYTES) {
      this.#current = other(this.#current);
      this.#files[this.#current].used = 0;
      this.#epoch++;
    }
    const file = this.#files[this.#current];
    const frame = encodeFrame(this.#epoch, start, records);
    const written =
      frame.length <= SMALL_BYTES && this.#isQuick()
        ? this.#writeAtOnce(file.handle.fd, frame, file.used)
        : this.#timed(writeAll(file.handle.fd, frame, file.used));
    file.used += frame.length;
    file.end = end;
    const inOrder = afterBoth(this.#last, written, frame);
    this.#last = inOrder;
    return inOrder;
  }

  /** Resolves once everything so far is on disk; rejects if something is not. */
  async written(): Promise<void> {
    await this.#last;
  }

  #isQuick(): boolean {
    if (this.#mostAtOnce !== undefined && this.#mostAtOnce > 1) return false;
    return (this.#diskMs ?? 0) < QUICK_MS || this.#handedOn >= PROBE_EVERY;
  }

  /** Rejects, and does not throw, when the disk refuses: as a write does that another thread makes. */
  #writeAtOnce(descriptor: number, bytes: Uint8Array, at: number): Promise<void> {
    const start = performance.now();
    try {
      for (let done = 0; done < bytes.length;)
        done += writeSync(descriptor, bytes, done, bytes.length - done, at + done);
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
    const tookMs = performance.now() - start;
    this.#diskMs = this.#diskMs === undefined ? tookMs : this.#diskMs + DISK_SMOOTHING * (tookMs - this.#diskMs);
    this.#handedOn = 0;
    return Promise.resolve();
  }

  async #timed(written: Promise<void>): Promise<void> {
    const start = performance.now();
    this.#handedOn += 1;
    await written;
    this.#writeMs += SMOOTHING * (performance.now() - start - this.#writeMs);
  }

  /** Closes the files; no write may be running. */
  async close(): Promise<void> {
    for (const file of this.#files) await file.handle.close();
  }
}

function other(index: 0 | 1): 0 | 1 {
  return index === 0 ? 1 : 0;
}

/** The result, once both are done; rejects then if one of them failed, with the error of the first. */
async function afterBoth<T>(first: Promise<unknown>, second: Promise<unknown>, result: T): Promise<T> {
  const outcomes = await Promise.allSettled([first, second]);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return result;
}

/** Resolves once all bytes are written. The system may take a part of them at a time. */
function writeAll(descriptor: number, bytes: Uint8Array, at: number): Promise<void> {
  return new Promise((resolve, reject) => {
    write(descriptor, bytes, 0, bytes.length, at, (error, count) => {
      if (error !== null) reject(error);
      else if (count === bytes.length) resolve();
      else writeAll(descriptor, bytes.subarray(count), at + count).then(resolve, reject);
    });
  });
}
