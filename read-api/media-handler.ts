import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { Request, RequestHandler, Response } from 'express';
import { sendProblem } from '../infra/http/problem.ts';
import type { MediaAddresses } from '../infra/object-store/media-addresses.ts';
import {
  checkedKey,
  IMMUTABLE_CACHE_CONTROL,
  type ByteRange,
  type ObjectInfo,
  type ObjectRead,
  type ObjectStore,
} from '../infra/object-store/object-store.ts';
import { MEDIA_FILE_MODELS, mediaFiles, PLAYLIST_TYPE } from '../projections/queries/media-files.ts';
import { matchesEtag, rangeOf } from './byte-range.ts';
import { negotiate, preferredOf } from './negotiation.ts';
import type { Reader } from './reading.ts';

type Deps = {
  readonly reader: Reader;
  readonly objects: ObjectStore;
  readonly addresses: MediaAddresses;
  /** Told of a format that a client would rather have than what there is of a picture, as `FORMAT_WISHES` takes it. */
  readonly onWish?: (wish: string) => void;
};

const PREFIX = '/media/';
// A signed address is the secret: a shared cache must not hand the file to others, and the owner may go.
const PRIVATE_CACHE_CONTROL = 'private, max-age=3600';
const SHORT_CACHE_CONTROL = 'public, max-age=60';

/**
 * Serves GET and HEAD of `/media/<key>`: files of ready media of active accounts, a private account's and an archived
 * post's by signed address alone; everything else is a 404. Names never serve other pictures, so caches may keep them;
 * for a short time only while the format that the client prefers is still to be made.
 */
export function mediaHandler(deps: Deps): RequestHandler {
  return async (request, response, next) => {
    if (!request.path.startsWith(PREFIX) || (request.method !== 'GET' && request.method !== 'HEAD')) {
      next();
      return;
    }
    const found = await findFile(deps, request);
    if (found === undefined) notFound(response);
    else if (found.isPrivate && found.contentType === PLAYLIST_TYPE)
      await servePrivatePlaylist(deps, found.key, response);
    else await serve(deps.objects, found, request, response);
  };
}

type Found = {
  readonly key: string;
  readonly contentType: string;
  readonly isPrivate: boolean;
  /** What the client would rather have. */ readonly wished: string | undefined;
};

async function findFile({ reader, addresses, onWish }: Deps, request: Request): Promise<Found | undefined> {
  const key = keyOf(request.path);
  if (key === undefined) return undefined;
  const { read } = await reader.open([], MEDIA_FILE_MODELS);
  const [first, ...others] = await mediaFiles(read, key);
  if (first === undefined) return undefined;
  const search = request.url.split('?', 2)[1] ?? '';
  if (first.is_private && !addresses.isSigned(key, search)) return undefined;
  const chosen = negotiate(request.get('Accept'), [first, ...others]);
  const preferred = isImage(chosen.content_type) ? preferredOf(request.get('Accept')) : undefined;
  const wished = preferred === chosen.content_type ? undefined : preferred;
  if (wished !== undefined) onWish?.(`${wished} ${chosen.media_id}`);
  return { key: chosen.key, contentType: chosen.content_type, isPrivate: first.is_private, wished };
}

const isImage = (contentType: string) => contentType.startsWith('image/');

function keyOf(path: string): string | undefined {
  try {
    return checkedKey(decodeURIComponent(path.slice(PREFIX.length)));
  } catch {
    return undefined;
  }
}

async function serve(objects: ObjectStore, found: Found, request: Request, response: Response): Promise<void> {
  const info = await objects.head(found.key);
  if (info === null) {
    notFound(response);
    return;
  }
  const unchanged = matchesEtag(request.get('If-None-Match'), info.etag);
  // Read before anything is said of the answer: a cache would keep a failure for as long as the file.
  const bytes = unchanged || request.method === 'HEAD' ? undefined : await openBytes(objects, info, request);
  writeHeaders(response, info, found);
  if (unchanged) response.status(304).end();
  else if (bytes === undefined) response.setHeader('Content-Length', info.size).status(200).end();
  else await sendBytes(bytes, info, response);
}

// What a playlist names has no address of its own without a signature, so each one is signed like the playlist's.
async function servePrivatePlaylist({ objects, addresses }: Deps, key: string, response: Response): Promise<void> {
  const playlist = await objects.get(key);
  if (!playlist.ok) {
    notFound(response);
    return;
  }
  const folder = key.slice(0, key.lastIndexOf('/') + 1);
  const lines = (await text(playlist.body)).split('\n');
  const signed = lines.map((line) =>
    line === '' || line.startsWith('#') ? line : addresses.of(folder + line, { isPrivate: true }),
  );
  response.setHeader('Cache-Control', PRIVATE_CACHE_CONTROL).setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
  response.status(200).type(PLAYLIST_TYPE).end(signed.join('\n'));
}

function writeHeaders(response: Response, info: ObjectInfo, { isPrivate, wished }: Found): void {
  response.setHeader(
    'Cache-Control',
    isPrivate ? PRIVATE_CACHE_CONTROL : wished === undefined ? IMMUTABLE_CACHE_CONTROL : SHORT_CACHE_CONTROL,
  );
  response.setHeader('ETag', info.etag);
  response.setHeader('Last-Modified', info.lastModified.toUTCString());
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('Content-Type', info.contentType);
  // Pages of other origins may show images.
  response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
  // A picture has one address in all formats.
  if (isImage(info.contentType)) response.vary('Accept');
}

type Bytes = { readonly object: ObjectRead; readonly range: ByteRange | undefined };

async function openBytes(objects: ObjectStore, info: ObjectInfo, request: Request): Promise<Bytes> {
  const unchanged = request.get('If-Range') === undefined || request.get('If-Range') === info.etag;
  const range = unchanged ? rangeOf(request.get('Range')) : undefined;
  return { object: await objects.get(info.key, range), range };
}

async function sendBytes({ object, range }: Bytes, info: ObjectInfo, response: Response): Promise<void> {
  if (!object.ok) {
    if (object.code === 'object_missing') notFound(response);
    else
      sendProblem(response, {
        status: 416,
        code: 'range_unsatisfiable',
        title: 'The file has no such bytes',
        headers: { 'Content-Range': `bytes */${String(info.size)}`, 'Cache-Control': 'no-store' },
      });
    return;
  }
  if (range !== undefined)
    response
      .status(206)
      .setHeader('Content-Range', `bytes ${String(object.start)}-${String(object.end)}/${String(info.size)}`);
  response.setHeader('Content-Length', object.end - object.start + 1);
  // A client that leaves half-way is no failure of ours; pipeline has closed the file by then.
  await pipeline(object.body, response).catch((error: unknown) => {
    if (!response.destroyed) throw error;
  });
}

function notFound(response: Response): void {
  sendProblem(response, {
    status: 404,
    code: 'file_not_found',
    title: 'There is no such file',
    headers: { 'Cache-Control': 'no-store' },
  });
}
