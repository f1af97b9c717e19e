import { fdatasyncSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeFrame, framesOf } from './wal-frame.ts';
import type { WalFrame } from './wal-frame.ts';

const NAMES = ['write-ahead-0', 'write-ahead-1'];
/** Bytes after which the other file is used. Both have their blocks from the start: then an fsync has only data to write. */
const FILE_BYTES = 8 * 1024 * 1024;
/** While writes take less than this on average, they run on the main thread. */
const QUICK_MS = 1;
const SMOOTHING = 0.1;
/** How many writes a thread makes before the main thread tries again. */
const WRITES_UNTIL_NEXT_TRY = 200;

interface WalFile {
  readonly handle: FileHandle;
  used: number;
  /** Where the log ended with the last frame in the file. */
  end: number;
}

/**
 * The write-ahead log: two files in turn, into which each group of records goes with one write and one fsync before it is
 * acknowledged. A file is used again once all that it holds is in the store.
 */
export class WriteAheadLog {
  readonly #files: readonly [WalFile, WalFile];
  #current: 0 | 1 = 0;
  #epoch: number;
  #writeMs = 0;
  #slowWrites = 0;

  /**
   * Opens or creates the files in `directory`. Gives the frames that they hold, oldest first; those that are not in the store
   * must get there before anything is written.
   */
  static async open(directory: string): Promise<{ log: WriteAheadLog; frames: WalFrame[] }> {
    const handles: FileHandle[] = [];
    try {
      const frames: WalFrame[] = [];
      for (const name of NAMES) {
        const handle = await openFile(join(directory, name));
        handles.push(handle);
        frames.push(...framesOf(await handle.readFile()));
      }
      const [first, second] = handles;
      if (first === undefined || second === undefined) throw new TypeError('two files are opened');
      const epoch = frames.reduce((greatest, frame) => Math.max(greatest, frame.epoch), 0) + 1;
      return { log: new WriteAheadLog(first, second, epoch), frames: frames.toSorted((a, b) => a.start - b.start || a.epoch - b.epoch) };
    } catch (error) {
      for (const handle of handles) await handle.close();
      throw error;
    }
  }

  private constructor(first: FileHandle, second: FileHandle, epoch: number) {
    this.#files = [{ handle: first, used: 0, end: 0 }, { handle: second, used: 0, end: 0 }];
    this.#epoch = epoch;
  }

  /** Up to where records must be in the store before the next write. */
  get mustBeStored(): number {
    return this.#files[this.#current].used < FILE_BYTES ? 0 : this.#files[other(this.#current)].end;
  }

  /**
   * Writes a group of records that begins at `start` and ends at `end`; resolves with its frame once it is on disk (fsync).
   * Rejects if the disk refuses; the group then does not count.
   */
  async write(records: readonly Buffer[], start: number, end: number): Promise<Buffer<ArrayBuffer>> {
    if (this.#files[this.#current].used >= FILE_BYTES) {
      this.#current = other(this.#current);
      this.#files[this.#current].used = 0;
      this.#epoch++;
    }
    const file = this.#files[this.#current];
    const frame = encodeFrame(this.#epoch, start, records);
    if (this.#slowWrites > 0) await this.#writeOnThread(file, frame);
    else this.#writeHere(file, frame);
    file.used += frame.length;
    file.end = end;
    return frame;
  }

  /** On a quick disk, handing the write to a thread and back takes longer than the write. */
  #writeHere(file: WalFile, frame: Buffer): void {
    const start = performance.now();
    writeSync(file.handle.fd, frame, 0, frame.length, file.used);
    fdatasyncSync(file.handle.fd);
    this.#writeMs += SMOOTHING * (performance.now() - start - this.#writeMs);
    if (this.#writeMs <= QUICK_MS) return;
    this.#writeMs = 0;
    this.#slowWrites = WRITES_UNTIL_NEXT_TRY;
  }

  /** On a slow one, a thread waits for it, and reads go on meanwhile. */
  async #writeOnThread(file: WalFile, frame: Buffer): Promise<void> {
    this.#slowWrites--;
    await file.handle.write(frame, 0, frame.length, file.used);
    await file.handle.datasync();
  }

  /** Closes the files; no write may be running. */
  async close(): Promise<void> {
    for (const file of this.#files) await file.handle.close();
  }
}

function other(index: 0 | 1): 0 | 1 {
  return index === 0 ? 1 : 0;
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const handle = await open(path, 'w+');
  await handle.write(Buffer.alloc(FILE_BYTES), 0, FILE_BYTES, 0);
  await handle.datasync();
  return handle;
}
