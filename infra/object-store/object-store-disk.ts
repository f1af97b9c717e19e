import { mkdir, open, rename, rmdir, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes the entries of a folder durable; one that is gone has none. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(unless('ENOENT', null));
  try {
    await folder?.sync();
  } finally {
    await folder?.close();
  }
}

const PLACING_TRIES = 10;

/**
 * Moves a file into a folder that is made when it is missing, also when somebody removes it as empty at that moment.
 */
export async function moveInto(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    await mkdir(dirname(to), { recursive: true });
    try {
      return await rename(from, to);
    } catch (error) {
      if (attempt >= PLACING_TRIES) throw error;
      unless('ENOENT', undefined)(error);
    }
  }
}

/** Removes a folder and those around it, below `root`, as far as they are empty. What cannot be removed stays. */
export async function removeEmptyFolders(path: string, root: string): Promise<void> {
  for (let folder = path; folder.startsWith(`${root}/`); folder = dirname(folder)) {
    if (
      !(await rmdir(folder).then(
        () => true,
        () => false,
      ))
    )
      return;
  }
}

/** Removes a file; none there is no error. */
export async function unlinkIfThere(path: string): Promise<void> {
  await unlink(path).catch(unless('ENOENT', undefined));
}

/** A `catch` handler that turns one system error code into a value and lets every other error pass. */
export function unless<T>(code: string, value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Error && 'code' in error && error.code === code) return value;
    throw error;
  };
}
