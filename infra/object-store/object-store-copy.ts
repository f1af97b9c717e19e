import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { ObjectStore } from './object-store.ts';

/** From here on an object passes over the disk: uploaded videos are a hundred megabytes. */
const IN_MEMORY_BYTES = 8 * 1024 * 1024;

/**
 * Copies an object with its facts to another store; false when there is none. The other store refuses bytes that were
 * damaged on the way.
 */
export async function copyObject(from: ObjectStore, to: ObjectStore, key: string): Promise<boolean> {
  const found = await from.get(key);
  if (!found.ok) return false;
  const { contentType, cacheControl, checksumSha256, size } = found.info;
  const options = { contentType, cacheControl, ...(checksumSha256 === null ? {} : { checksumSha256 }) };
  if (size <= IN_MEMORY_BYTES) {
    await to.put(key, await buffer(found.body), options);
    return true;
  }
  const folder = await mkdtemp(join(tmpdir(), 'shutterlog-copy-'));
  try {
    const path = join(folder, 'object');
    await pipeline(found.body, createWriteStream(path));
    await to.put(key, { path }, options);
    return true;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
