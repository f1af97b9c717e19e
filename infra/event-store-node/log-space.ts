import { open, stat } from 'node:fs/promises';

const MIB = 1024 * 1024;
/** Free space below which the file is extended. */
const LOW_WATER = 24 * MIB;
const SMALLEST_STEP = 32 * MIB;
const LARGEST_STEP = 256 * MIB;
/** Bytes of records after which the free space is looked at again. No commit takes more than the rest of the low water. */
const LOOK_AFTER = 4 * MIB;
const PAGE = 4096;
const ZEROS = Buffer.alloc(MIB);

/**
 * Keeps blocks of zeros ready behind the used part of the log file. An fsync after writing into existing blocks takes half
 * the time of one after writing at the end of the file, and a small part of it on a disk that others use: the file system
 * has nothing to record about the file itself.
 */
export class LogSpace {
  readonly #path: string;
  readonly #usedBytes: () => number;
  #unlooked = LOOK_AFTER;

  constructor(path: string, usedBytes: () => number) {
    this.#path = path;
    this.#usedBytes = usedBytes;
  }

  /** Makes room for records that will be written next. Nobody may write to the file meanwhile. A full disk is left for the writer to meet. */
  async reserve(records: Iterable<Buffer>): Promise<void> {
    for (const record of records) this.#unlooked += record.length + PAGE;
    if (this.#unlooked < LOOK_AFTER) return;
    this.#unlooked = 0;
    try {
      const used = this.#usedBytes();
      const size = Math.max(used, (await stat(this.#path)).size);
      if (size - used < LOW_WATER) await this.#extend(size, Math.min(LARGEST_STEP, Math.max(SMALLEST_STEP, used / 4)));
    } catch {
      // Without the reserve everything works, only slower.
    }
  }

  async #extend(size: number, bytes: number): Promise<void> {
    const file = await open(this.#path, 'r+');
    try {
      for (let at = size; at < size + bytes; at += ZEROS.length) await file.write(ZEROS, 0, ZEROS.length, at);
      await file.datasync();
    } finally {
      await file.close();
    }
  }
}
