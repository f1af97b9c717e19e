import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tryLock } from 'fs-native-extensions';

/** Another process, or another node of this one, works on the directory. */
export class DataDirInUseError extends Error {
  override readonly name = 'DataDirInUseError';

  constructor(directory: string, holder: string) {
    super(
      `the data directory ${directory} is in use by ${/^\d+$/.test(holder) ? `process ${holder}` : 'another process'}`,
    );
  }
}

const FILE = 'owner.lock';
/**
 * A killed process holds its locks until the system has taken its memory apart, which takes longer the more it has
 * mapped.
 */
const PATIENCE_MS = 2_000;
const POLL_MS = 20;

/**
 * A data directory that belongs to this node alone. The lock is the system's, on a file that is open: it ends with the
 * process however that ends, and nobody has to find out whether the process in question still lives.
 */
export class DataDirLock {
  readonly #file: FileHandle;

  /**
   * Waits two seconds at most for a holder that is about to end. Rejects with DataDirInUseError if it does not, or with
   * the system's error where the directory cannot be written.
   */
  static async take(directory: string): Promise<DataDirLock> {
    const file = await open(join(directory, FILE), constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      await lock(file, directory);
      await file.truncate();
      await file.write(String(process.pid), 0);
      return new DataDirLock(file);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Gives the directory back. */
  async release(): Promise<void> {
    await this.#file.close();
  }
}

async function lock(file: FileHandle, directory: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!tryLock(file.fd)) {
    if (performance.now() > deadline) throw new DataDirInUseError(directory, (await file.readFile('utf8')).trim());
    await delay(POLL_MS);
  }
}
