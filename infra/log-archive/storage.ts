import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { ObjectStore } from '../object-store/object-store.ts';

/** Where an archive lies: named files that are written whole or not at all. */
export type ArchiveStorage = {
  /** Says which archive it is, the same to every process that means the same one. */
  readonly place: string;
  /** The bytes of a file, or undefined when there is none. */
  read(name: string): Promise<Buffer | undefined>;
  /** Writes or replaces a file; it is durable when this resolves. */
  write(name: string, bytes: Buffer): Promise<void>;
  /** Removes a file; one that is not there is no error. */
  remove(name: string): Promise<void>;
};

/** An archive in a folder, made when absent, readable by its owner alone: it holds password hashes and wrapped keys. */
export function archiveFolder(folder: string): ArchiveStorage {
  return {
    place: resolve(folder),
    read: (name) =>
      readFile(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      }),
    write: async (name, bytes) => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const target = join(folder, name);
      const handle = await open(`${target}.part`, 'w', 0o600);
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(`${target}.part`, target);
      await syncFolder(dirname(target));
    },
    remove: (name) => rm(join(folder, name), { force: true }),
  };
}

/** An archive under a prefix of an object store, of which `place` tells it from others (see `mediaPlace`). */
export function archiveInObjectStore(
  store: ObjectStore,
  { prefix, place }: { prefix: string; place: string },
): ArchiveStorage {
  return {
    place: `${prefix} in ${place}`,
    read: async (name) => {
      const found = await store.get(`${prefix}/${name}`);
      return found.ok ? buffer(found.body) : undefined;
    },
    write: async (name, bytes) => {
      await store.put(`${prefix}/${name}`, bytes, {
        contentType: 'application/octet-stream',
        cacheControl: 'private, no-store',
      });
    },
    remove: async (name) => {
      await store.delete(`${prefix}/${name}`);
    },
  };
}

// A rename is durable only when its folder is.
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
