import type { Readable } from 'node:stream';

/** Cache header of objects whose name never serves other bytes. */
export const IMMUTABLE_CACHE_CONTROL = 'public, max-age=31536000, immutable';

/**
 * What a store knows about an object. `checksumSha256` is lower-case hex, null when nobody verified one on the way in.
 */
export interface ObjectInfo {
  readonly key: string;
  readonly size: number;
  readonly contentType: string;
  readonly cacheControl: string;
  readonly checksumSha256: string | null;
  /** Quoted, fit for an HTTP `ETag` header. */
  readonly etag: string;
  readonly lastModified: Date;
}

/** One line of a listing. */
export interface ListedObject {
  readonly key: string;
  readonly size: number;
  readonly lastModified: Date;
}

/** Bytes in memory, or a file to read: both can be sent again when a try fails. */
export type ObjectSource = Uint8Array | { readonly path: string };

export interface PutOptions {
  readonly contentType: string;
  /** Lower-case hex. The store refuses bytes that do not have it; without it the adapter computes one. */
  readonly checksumSha256?: string;
  /** Default: `IMMUTABLE_CACHE_CONTROL`. */
  readonly cacheControl?: string;
}

/** Bytes `start` to `end` (both included, `end` open by default), or the last `suffix` bytes. */
export type ByteRange = { readonly start: number; readonly end?: number } | { readonly suffix: number };

/** A refused read is a value; `start` and `end` are the bytes that really come (both included). */
export type ObjectRead =
  | {
      readonly ok: true;
      readonly info: ObjectInfo;
      readonly start: number;
      readonly end: number;
      readonly body: Readable;
    }
  | { readonly ok: false; readonly code: 'object_missing' | 'range_unsatisfiable' };

export interface UploadGrantOptions {
  readonly key: string;
  /** Exact type that the client must send. */
  readonly contentType: string;
  /** Exact number of bytes that the client must send. */
  readonly size: number;
  /** Lower-case hex. When given, other bytes are refused by the store. */
  readonly checksumSha256?: string;
  readonly expiresInSeconds: number;
}

/** A request that the client sends as it is, with exactly the promised bytes as its body. */
export interface UploadGrant {
  readonly method: 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly expiresAt: Date;
}

export interface DownloadGrant {
  readonly url: string;
  readonly expiresAt: Date;
}

/**
 * Where media bytes live. Every adapter passes the same contract suite.
 * Keys are `a-z A-Z 0-9 . _ -` in segments divided by `/`, at most 512 characters.
 * A missing object is a value; an unreachable store, a refused checksum or an invalid key is a thrown error.
 */
export interface ObjectStore {
  /**
   * Writes an object whole or not at all; an object of that key is replaced. Rejects with `ChecksumMismatch` on other
   * bytes.
   */
  put(key: string, source: ObjectSource, options: PutOptions): Promise<ObjectInfo>;
  /** Opens an object for reading. The caller consumes or destroys `body`. */
  get(key: string, range?: ByteRange): Promise<ObjectRead>;
  /** The object's facts, null when there is none. */
  head(key: string): Promise<ObjectInfo | null>;
  /** Removes an object; removing none is no error. */
  delete(key: string): Promise<void>;
  /** All objects whose key begins with `prefix`, in key order, after `startAfter` when given. */
  list(prefix: string, startAfter?: string): AsyncIterable<ListedObject>;
  /** Signs one upload: size, type and checksum are bound, a second upload with the same grant is refused. */
  presignUpload(options: UploadGrantOptions): Promise<UploadGrant>;
  /** Signs a read for a limited time. The object need not exist. */
  presignDownload(key: string, expiresInSeconds: number): Promise<DownloadGrant>;
  /** Gives back sockets and handles. */
  close(): Promise<void>;
}

/** The bytes are not the promised ones. */
export class ChecksumMismatch extends Error {
  override readonly name = 'ChecksumMismatch';
  constructor(key: string, options?: ErrorOptions) {
    super(`The bytes for ${key} do not have the promised checksum`, options);
  }
}

const KEY = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/;

/** The key itself when it is a valid one; a TypeError otherwise, so that no key can leave its folder. */
export function checkedKey(key: string): string {
  if (key.length > 512 || !KEY.test(key))
    throw new TypeError(`Not a valid object key: ${JSON.stringify(key.slice(0, 80))}`);
  return key;
}

/** Resolves a range against a size; null when no byte of it exists. */
export function resolveRange(size: number, range: ByteRange | undefined): { start: number; end: number } | null {
  if (range === undefined) return { start: 0, end: size - 1 };
  if ('suffix' in range) {
    return range.suffix <= 0 || size === 0 ? null : { start: Math.max(0, size - range.suffix), end: size - 1 };
  }
  const end = Math.min(range.end ?? size - 1, size - 1);
  return range.start < 0 || range.start > end ? null : { start: range.start, end };
}
