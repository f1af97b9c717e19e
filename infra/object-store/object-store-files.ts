import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { moveInto, removeEmptyFolders, syncFolder, unless, unlinkIfThere } from './object-store-disk.ts';
import type { ListedObject, ObjectInfo, ObjectSource } from './object-store.ts';

/**
 * Layout below the root: `objects/<key>~` is a small JSON record that names the file with the bytes beside it
 * (`objects/<key>~<random>`). The record appears and disappears in one rename or unlink, so facts and bytes never
 * disagree.
 * `~` is no key character, so an object `a` and an object `a/b` can live together.
 */
const recordSchema = z.object({
  size: z.number().int().nonnegative(),
  content_type: z.string(),
  cache_control: z.string(),
  checksum_sha256: z.string().length(64),
  bytes: z.string().min(1),
  last_modified: z.iso.datetime(),
});
type ObjectRecord = z.infer<typeof recordSchema>;

/** Bytes that are on the disk but not yet an object. */
export interface StagedBytes {
  readonly path: string;
  readonly size: number;
  readonly checksumSha256: string;
}

/** Thrown inside `stage` when more than `limit` bytes arrive; the rest of the stream is not read. */
export class TooManyBytes extends Error {
  override readonly name = 'TooManyBytes';
}

/** Writes a stream to a temporary file, hashing as it goes, and syncs it to the disk. On any error nothing is left. */
export async function stage(root: string, source: Readable, limit = Number.POSITIVE_INFINITY): Promise<StagedBytes> {
  const folder = join(root, 'incoming');
  await mkdir(folder, { recursive: true });
  const path = join(folder, randomBytes(16).toString('hex'));
  const hash = createHash('sha256');
  let size = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      hash.update(chunk);
      if (size > limit) done(new TooManyBytes(`More than ${String(limit)} bytes`));
      else done(null, chunk);
    },
  });
  try {
    await pipeline(source, meter, createWriteStream(path, { flags: 'wx', flush: true }));
  } catch (error) {
    await unlinkIfThere(path);
    throw error;
  }
  return { path, size, checksumSha256: hash.digest('hex') };
}

/** The bytes of a source as a stream that can be opened again and again. */
export function openSource(source: ObjectSource): Readable {
  return source instanceof Uint8Array ? Readable.from([source], { objectMode: false }) : createReadStream(source.path);
}

interface CommitOptions {
  readonly contentType: string;
  readonly cacheControl: string;
  /** true: an object that exists is left alone and `commit` answers null. */
  readonly onlyIfAbsent: boolean;
}

/**
 * Turns staged bytes into the object `key` in one step, durable when it resolves. The staged file is gone afterwards.
 */
export async function commit(
  root: string,
  key: string,
  staged: StagedBytes,
  options: CommitOptions,
): Promise<ObjectInfo | null> {
  const path = recordPath(root, key);
  const bytesPath = path + randomBytes(8).toString('hex');
  const record: ObjectRecord = {
    size: staged.size,
    content_type: options.contentType,
    cache_control: options.cacheControl,
    checksum_sha256: staged.checksumSha256,
    bytes: bytesPath.slice(path.length),
    last_modified: new Date().toISOString(),
  };
  const previous = await readRecord(root, key);
  // From here on the folder is not empty, so nobody removes it.
  await moveInto(staged.path, bytesPath);
  const placed = await placeRecord(path, staged.path, record, options.onlyIfAbsent);
  if (!placed) {
    await unlinkIfThere(bytesPath);
    return null;
  }
  if (previous) await unlinkIfThere(path + previous.bytes);
  return toInfo(key, record);
}

async function placeRecord(
  path: string,
  temporary: string,
  record: ObjectRecord,
  onlyIfAbsent: boolean,
): Promise<boolean> {
  const file = await open(temporary, 'wx');
  try {
    await file.writeFile(JSON.stringify(record));
    await file.sync();
  } finally {
    await file.close();
  }
  if (onlyIfAbsent) {
    const linked = await link(temporary, path).then(() => true, unless('EEXIST', false));
    await unlink(temporary);
    if (!linked) return false;
  } else {
    await rename(temporary, path);
  }
  await syncFolder(dirname(path));
  return true;
}

/** The facts of an object and the file that holds its bytes; null when there is none. */
export async function findObject(root: string, key: string): Promise<{ info: ObjectInfo; path: string } | null> {
  const record = await readRecord(root, key);
  return record && { info: toInfo(key, record), path: recordPath(root, key) + record.bytes };
}

/** Removes an object, its record first, and the folders that are empty without it. Removing none is no error. */
export async function removeObject(root: string, key: string): Promise<void> {
  const record = await readRecord(root, key);
  if (!record) return;
  const path = recordPath(root, key);
  await unlinkIfThere(path);
  await unlinkIfThere(path + record.bytes);
  await syncFolder(dirname(path));
  await removeEmptyFolders(dirname(path), join(root, 'objects'));
}

/**
 * Walks the records in key order. Folders sort by their name with `/` behind it, which makes the walk agree with key
 * order.
 */
export async function* listObjects(root: string, prefix: string, startAfter: string): AsyncGenerator<ListedObject> {
  // The folders in a prefix are walked straight down: the first one may hold a folder for every medium there is.
  for await (const key of keysBelow(root, prefix.slice(0, prefix.lastIndexOf('/') + 1), prefix)) {
    if (key <= startAfter) continue;
    const record = await readRecord(root, key);
    if (record) yield { key, size: record.size, lastModified: new Date(record.last_modified) };
  }
}

async function* keysBelow(root: string, folder: string, prefix: string): AsyncGenerator<string> {
  const entries = await readdir(join(root, 'objects', folder), { withFileTypes: true }).catch(unless('ENOENT', []));
  const names = entries
    .filter((entry) => entry.isDirectory() || entry.name.endsWith('~'))
    .map((entry) => folder + (entry.isDirectory() ? `${entry.name}/` : entry.name.slice(0, -1)))
    .sort((a, b) => (a < b ? -1 : 1));
  for (const name of names) {
    if (!name.endsWith('/')) {
      if (name.startsWith(prefix)) yield name;
    } else if (name.startsWith(prefix) || prefix.startsWith(name)) {
      yield* keysBelow(root, name, prefix);
    }
  }
}

function recordPath(root: string, key: string): string {
  return `${join(root, 'objects', key)}~`;
}

async function readRecord(root: string, key: string): Promise<ObjectRecord | null> {
  const text = await readFile(recordPath(root, key), 'utf8').catch(unless('ENOENT', null));
  return text === null ? null : recordSchema.parse(JSON.parse(text));
}

function toInfo(key: string, record: ObjectRecord): ObjectInfo {
  return {
    key,
    size: record.size,
    contentType: record.content_type,
    cacheControl: record.cache_control,
    checksumSha256: record.checksum_sha256,
    etag: `"${record.checksum_sha256}"`,
    lastModified: new Date(record.last_modified),
  };
}
