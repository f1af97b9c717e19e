import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { ChecksumMismatch, IMMUTABLE_CACHE_CONTROL, checkedKey, resolveRange } from './object-store.ts';
import type {
  ByteRange,
  DownloadGrant,
  ObjectInfo,
  ObjectRead,
  ObjectSource,
  ObjectStore,
  PutOptions,
  UploadGrant,
  UploadGrantOptions,
} from './object-store.ts';
import { unless, unlinkIfThere } from './object-store-disk.ts';
import { commit, findObject, listObjects, openSource, removeObject, stage } from './object-store-files.ts';
import { acceptPromised, uploadClaims, type IncomingUpload, type UploadOutcome } from './object-store-fs-uploads.ts';
import { signQuery, verifyQuery } from './object-store-signing.ts';

export interface FsObjectStoreOptions {
  /** Folder of the store; made when absent. */
  readonly dir: string;
  /** At least 32 characters; whoever has it can sign uploads and downloads. */
  readonly secret: string;
  /** Upload URLs are `<uploadBaseUrl>/<key>?…`; that route calls `acceptUpload`. */
  readonly uploadBaseUrl: string;
  /** Signed downloads are `<downloadBaseUrl>/<key>?…`; that route calls `verifyDownload`. */
  readonly downloadBaseUrl: string;
}

export interface FsObjectStore extends ObjectStore {
  /**
   * Takes the bytes of a signed upload: never more than were promised, of the promised type and checksum, once per
   * grant. A refusal leaves nothing behind, and the same grant may be tried again after one. Rejects when the client
   * goes away.
   */
  acceptUpload(upload: IncomingUpload): Promise<UploadOutcome>;
  /** Says whether a download URL made by `presignDownload` still stands. */
  verifyDownload(
    key: string,
    search: string,
  ): { readonly ok: true } | { readonly ok: false; readonly code: 'signature_invalid' | 'signature_expired' };
  /** Removes temporary files and notes of used grants that were written before `before`; answers how many. */
  sweep(before: Date): Promise<number>;
}

/** An object store in a folder of this machine. It does no work until it is asked to. */
export function createFsObjectStore({
  dir,
  secret,
  uploadBaseUrl,
  downloadBaseUrl,
}: FsObjectStoreOptions): FsObjectStore {
  if (secret.length < 32) throw new TypeError('The signing secret of the object store is shorter than 32 characters');
  const uploads = { secret, purpose: 'upload' };
  const downloads = { secret, purpose: 'download' };

  return {
    put: (key, source, options) => putFile(dir, checkedKey(key), source, options),
    get: (key, range) => readObject(dir, checkedKey(key), range),
    head: async (key) => (await findObject(dir, checkedKey(key)))?.info ?? null,
    delete: (key) => removeObject(dir, checkedKey(key)),
    list: (prefix, startAfter = '') => listObjects(dir, prefix, startAfter),
    presignUpload: (options) => Promise.resolve(grantUpload(options)),
    presignDownload: (key, expiresInSeconds) => Promise.resolve(grantDownload(key, expiresInSeconds)),
    close: () => Promise.resolve(),
    acceptUpload: async (upload) => {
      const check = verifyQuery({ ...uploads, key: upload.key, search: upload.search, now: new Date() });
      return check.ok ? acceptPromised(dir, upload, uploadClaims.parse(check.claims)) : check;
    },
    verifyDownload: (key, search) => {
      const check = verifyQuery({ ...downloads, key, search, now: new Date() });
      return check.ok ? { ok: true } : check;
    },
    sweep: async (before) =>
      (await sweepFolder(join(dir, 'incoming'), before)) + (await sweepFolder(join(dir, 'used-grants'), before)),
  };

  function grantUpload(options: UploadGrantOptions): UploadGrant {
    const expiresAt = expiry(options.expiresInSeconds);
    const claims = {
      type: options.contentType,
      size: String(options.size),
      grant: randomUUID(),
      ...(options.checksumSha256 === undefined ? {} : { sha256: options.checksumSha256 }),
    };
    const query = signQuery({ ...uploads, key: checkedKey(options.key), claims, expiresAt });
    return {
      method: 'PUT',
      url: `${uploadBaseUrl}/${options.key}?${query}`,
      headers: { 'content-type': options.contentType },
      expiresAt,
    };
  }

  function grantDownload(key: string, expiresInSeconds: number): DownloadGrant {
    const expiresAt = expiry(expiresInSeconds);
    const query = signQuery({ ...downloads, key: checkedKey(key), claims: {}, expiresAt });
    return { url: `${downloadBaseUrl}/${key}?${query}`, expiresAt };
  }
}

async function putFile(dir: string, key: string, source: ObjectSource, options: PutOptions): Promise<ObjectInfo> {
  const staged = await stage(dir, openSource(source));
  if (options.checksumSha256 !== undefined && options.checksumSha256 !== staged.checksumSha256) {
    await unlinkIfThere(staged.path);
    throw new ChecksumMismatch(key);
  }
  const cacheControl = options.cacheControl ?? IMMUTABLE_CACHE_CONTROL;
  const info = await commit(dir, key, staged, { contentType: options.contentType, cacheControl, onlyIfAbsent: false });
  if (!info) throw new Error(`The object ${key} was not placed`);
  return info;
}

async function readObject(dir: string, key: string, range: ByteRange | undefined): Promise<ObjectRead> {
  for (;;) {
    const found = await findObject(dir, key);
    if (!found) return { ok: false, code: 'object_missing' };
    const bytes = resolveRange(found.info.size, range);
    if (!bytes) return { ok: false, code: 'range_unsatisfiable' };
    const body = found.info.size === 0 ? Readable.from([]) : createReadStream(found.path, bytes);
    // A writer may have replaced the object between the record and the open: then its record names other bytes by now.
    const opened = found.info.size === 0 || (await hasOpened(body));
    if (opened) return { ok: true, info: found.info, ...bytes, body };
  }
}

function hasOpened(body: Readable): Promise<boolean> {
  return new Promise((resolve, reject) => {
    body.once('open', () => {
      body.off('error', failed);
      resolve(true);
    });
    body.once('error', failed);
    function failed(error: unknown): void {
      try {
        resolve(unless('ENOENT', false)(error));
      } catch (other) {
        reject(other instanceof Error ? other : new Error(String(other)));
      }
    }
  });
}

async function sweepFolder(folder: string, before: Date): Promise<number> {
  const names = await readdir(folder).catch(unless('ENOENT', []));
  const old = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const facts = await stat(path).catch(unless('ENOENT', null));
      if (!facts || facts.mtime >= before) return false;
      await unlinkIfThere(path);
      return true;
    }),
  );
  return old.filter(Boolean).length;
}

function expiry(seconds: number): Date {
  return new Date(Date.now() + seconds * 1000);
}
