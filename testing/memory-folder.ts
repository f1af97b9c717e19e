import { accessSync, constants, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';

const SHARED_MEMORY = '/dev/shm';
const PREFIX = 'shutterlog-test-';
const LEAST_FREE_BYTES = 4 * 1024 ** 3;

/** A folder for temporary files, and how to remove it. */
export type MemoryFolder = { readonly path: string; remove(): void };

/**
 * A temporary folder in memory, so that the durable writes of many stores at once do not queue for one disk; undefined
 * where a machine has none with 4 GiB free. What a killed process survives here it survives on a disk, too. Folders of
 * runs that were killed are cleared away.
 */
export function openMemoryFolder(): MemoryFolder | undefined {
  try {
    accessSync(SHARED_MEMORY, constants.W_OK);
    clearLeftovers();
    const { bavail, bsize } = statfsSync(SHARED_MEMORY);
    if (bavail * bsize < LEAST_FREE_BYTES) return undefined;
    const path = mkdtempSync(join(SHARED_MEMORY, `${PREFIX}${String(process.pid)}-`));
    return {
      path,
      remove: () => {
        rmSync(path, { recursive: true, force: true });
      },
    };
  } catch {
    return undefined;
  }
}

function clearLeftovers(): void {
  for (const name of readdirSync(SHARED_MEMORY)) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1] ?? Number.NaN);
    if (!Number.isNaN(pid) && !isAlive(pid)) rmSync(join(SHARED_MEMORY, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
