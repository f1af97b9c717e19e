import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import type { GetObjectCommandOutput, HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { ChecksumMismatch, IMMUTABLE_CACHE_CONTROL, checkedKey } from './object-store.ts';
import type {
  ByteRange,
  ListedObject,
  ObjectInfo,
  ObjectRead,
  ObjectSource,
  ObjectStore,
  PutOptions,
} from './object-store.ts';
import { base64, presignDownload, presignUpload } from './object-store-s3-grants.ts';

export interface S3Options {
  /** Address of the server; without it, AWS in `region`. */
  readonly endpoint?: string;
  readonly bucket: string;
  readonly region: string;
  /** Without them the SDK's own chain (instance role, web identity) applies. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Most time from the start of a request to the head of its answer, in ms. Default 30,000. */
  readonly timeoutMs?: number;
}

/**
 * A client as every user of S3 here needs it: path style for servers of one's own, no retries of the SDK's
 * (the policy in object-store-guarded.ts decides on those), bounded waiting.
 */
export function createS3Client({ endpoint, region, credentials, timeoutMs = 30_000 }: S3Options): S3Client {
  return new S3Client({
    region,
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: Math.min(timeoutMs, 3_000),
      requestTimeout: timeoutMs,
      throwOnRequestTimeout: true,
    },
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials }),
  });
}

/** An object store in one bucket, which must exist. `close` ends the client's sockets. */
export function createS3ObjectStore(options: S3Options): ObjectStore {
  const client = createS3Client(options);
  const { bucket } = options;
  return {
    put: (key, source, put) => putObject(client, bucket, { key: checkedKey(key), source, put }),
    get: (key, range) => getObject(client, bucket, checkedKey(key), range),
    head: (key) => headObject(client, bucket, checkedKey(key)),
    delete: async (key) => {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: checkedKey(key) }));
    },
    list: (prefix, startAfter) => listObjects(client, bucket, prefix, startAfter),
    presignUpload: (upload) => presignUpload(client, bucket, upload),
    presignDownload: (key, seconds) => presignDownload(client, bucket, checkedKey(key), seconds),
    close: () => {
      client.destroy();
      return Promise.resolve();
    },
  };
}

async function putObject(
  client: S3Client,
  bucket: string,
  { key, source, put }: { key: string; source: ObjectSource; put: PutOptions },
): Promise<ObjectInfo> {
  const { size, sha256 } = await measure(source);
  if (put.checksumSha256 !== undefined && put.checksumSha256 !== sha256) throw new ChecksumMismatch(key);
  const cacheControl = put.cacheControl ?? IMMUTABLE_CACHE_CONTROL;
  const answer = await client
    .send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: source instanceof Uint8Array ? source : createReadStream(source.path),
        ContentLength: size,
        ContentType: put.contentType,
        CacheControl: cacheControl,
        ChecksumSHA256: base64(sha256),
      }),
    )
    .catch((error: unknown) => {
      if (error instanceof S3ServiceException && error.name === 'BadDigest')
        throw new ChecksumMismatch(key, { cause: error });
      throw error;
    });
  return {
    key,
    size,
    contentType: put.contentType,
    cacheControl,
    checksumSha256: sha256,
    etag: answer.ETag ?? `"${sha256}"`,
    lastModified: new Date(),
  };
}

async function measure(source: ObjectSource): Promise<{ size: number; sha256: string }> {
  const hash = createHash('sha256');
  if (source instanceof Uint8Array) return { size: source.length, sha256: hash.update(source).digest('hex') };
  await pipeline(createReadStream(source.path), hash);
  return { size: (await stat(source.path)).size, sha256: hash.digest('hex') };
}

async function getObject(
  client: S3Client,
  bucket: string,
  key: string,
  range: ByteRange | undefined,
): Promise<ObjectRead> {
  if (range && 'suffix' in range && range.suffix <= 0) return { ok: false, code: 'range_unsatisfiable' };
  const command = new GetObjectCommand({
    Bucket: bucket,
    Key: key,
    ChecksumMode: 'ENABLED',
    ...(range === undefined ? {} : { Range: rangeHeader(range) }),
  });
  const answer = await client.send(command).catch((error: unknown) => {
    if (isStatus(error, 404)) return 'object_missing' as const;
    if (isStatus(error, 416)) return 'range_unsatisfiable' as const;
    throw error;
  });
  if (typeof answer === 'string') return { ok: false, code: answer };
  if (!(answer.Body instanceof Readable)) throw new TypeError('The S3 client answered without a stream');
  const { start, end, size } = contentRange(answer);
  return { ok: true, info: toInfo(key, size, answer), start, end, body: answer.Body };
}

/** A part names its place in the whole; a whole object only its length. */
function contentRange(answer: GetObjectCommandOutput): { start: number; end: number; size: number } {
  const part = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? '');
  if (part) return { start: Number(part[1]), end: Number(part[2]), size: Number(part[3]) };
  const size = answer.ContentLength ?? 0;
  return { start: 0, end: size - 1, size };
}

function rangeHeader(range: ByteRange): string {
  return 'suffix' in range
    ? `bytes=-${String(range.suffix)}`
    : `bytes=${String(range.start)}-${range.end === undefined ? '' : String(range.end)}`;
}

async function headObject(client: S3Client, bucket: string, key: string): Promise<ObjectInfo | null> {
  const answer = await client
    .send(new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }))
    .catch((error: unknown) => {
      if (isStatus(error, 404)) return null;
      throw error;
    });
  return answer && toInfo(key, answer.ContentLength ?? 0, answer);
}

function toInfo(key: string, size: number, answer: GetObjectCommandOutput | HeadObjectCommandOutput): ObjectInfo {
  return {
    key,
    size,
    contentType: answer.ContentType ?? 'application/octet-stream',
    cacheControl: answer.CacheControl ?? '',
    checksumSha256:
      answer.ChecksumSHA256 === undefined ? null : Buffer.from(answer.ChecksumSHA256, 'base64').toString('hex'),
    etag: answer.ETag ?? '""',
    lastModified: answer.LastModified ?? new Date(0),
  };
}

async function* listObjects(
  client: S3Client,
  bucket: string,
  prefix: string,
  startAfter: string | undefined,
): AsyncGenerator<ListedObject> {
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
        ...(startAfter === undefined ? {} : { StartAfter: startAfter }),
      }),
    );
    for (const { Key, Size, LastModified } of page.Contents ?? []) {
      if (Key !== undefined) yield { key: Key, size: Size ?? 0, lastModified: LastModified ?? new Date(0) };
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
}

function isStatus(error: unknown, status: number): boolean {
  return error instanceof S3ServiceException && error.$metadata.httpStatusCode === status;
}
