import { pipeline } from 'node:stream/promises';
import type { Request, RequestHandler, Response } from 'express';
import { sendProblem } from '../infra/http/problem.ts';
import { checkedKey, IMMUTABLE_CACHE_CONTROL, type ObjectInfo, type ObjectStore } from '../infra/object-store.ts';
import { MEDIA_FILE_MODELS, mediaFiles } from '../projections/media-files.ts';
import { matchesEtag, rangeOf } from './byte-range.ts';
import type { MediaAddresses } from './media-addresses.ts';
import { negotiate } from './negotiation.ts';
import type { Reader } from './reading.ts';

type Deps = { readonly reader: Reader; readonly objects: ObjectStore; readonly addresses: MediaAddresses };

const PREFIX = '/media/';
// A signed address is the secret: a shared cache must not hand the file to others, and the owner may go.
const PRIVATE_CACHE_CONTROL = 'private, max-age=3600';

/**
 * Serves GET and HEAD of `/media/<key>`: files of ready media of active accounts, a private account's by signed address
 * alone; everything else is a 404. Names never serve other bytes, so caches may keep them.
 */
export function mediaHandler(deps: Deps): RequestHandler {
  return async (request, response, next) => {
    if (!request.path.startsWith(PREFIX) || (request.method !== 'GET' && request.method !== 'HEAD')) {
      next();
      return;
    }
    const found = await findFile(deps, request);
    if (found === undefined) notFound(response);
    else await serve(deps.objects, found, request, response);
  };
}

type Found = { readonly key: string; readonly isPrivate: boolean; readonly negotiated: boolean };

async function findFile({ reader, addresses }: Deps, request: Request): Promise<Found | undefined> {
  const key = keyOf(request.path);
  if (key === undefined) return undefined;
  const { read } = await reader.open([], MEDIA_FILE_MODELS);
  const [first, ...others] = await mediaFiles(read, key);
  if (first === undefined) return undefined;
  const search = request.url.split('?', 2)[1] ?? '';
  if (first.is_private && !addresses.isSigned(key, search)) return undefined;
  const { key: chosen } = negotiate(request.get('Accept'), [first, ...others]);
  return { key: chosen, isPrivate: first.is_private, negotiated: others.length > 0 };
}

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
  writeHeaders(response, info, found);
  if (matchesEtag(request.get('If-None-Match'), info.etag)) response.status(304).end();
  else if (request.method === 'HEAD') response.setHeader('Content-Length', info.size).status(200).end();
  else await sendBytes(objects, info, request, response);
}

function writeHeaders(response: Response, info: ObjectInfo, { isPrivate, negotiated }: Found): void {
  response.setHeader('Cache-Control', isPrivate ? PRIVATE_CACHE_CONTROL : IMMUTABLE_CACHE_CONTROL);
  response.setHeader('ETag', info.etag);
  response.setHeader('Last-Modified', info.lastModified.toUTCString());
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('Content-Type', info.contentType);
  // Pages of other origins may show images.
  response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
  if (negotiated) response.vary('Accept');
}

async function sendBytes(objects: ObjectStore, info: ObjectInfo, request: Request, response: Response): Promise<void> {
  const unchanged = request.get('If-Range') === undefined || request.get('If-Range') === info.etag;
  const range = unchanged ? rangeOf(request.get('Range')) : undefined;
  const object = await objects.get(info.key, range);
  if (!object.ok) {
    if (object.code === 'object_missing') notFound(response);
    else sendProblem(response, { status: 416, code: 'range_unsatisfiable', title: 'The file has no such bytes', headers: { 'Content-Range': `bytes */${String(info.size)}`, 'Cache-Control': 'no-store' } });
    return;
  }
  if (range !== undefined) response.status(206).setHeader('Content-Range', `bytes ${String(object.start)}-${String(object.end)}/${String(info.size)}`);
  response.setHeader('Content-Length', object.end - object.start + 1);
  // A client that leaves half-way is no failure of ours; pipeline has closed the file by then.
  await pipeline(object.body, response).catch((error: unknown) => { if (!response.destroyed) throw error; });
}

function notFound(response: Response): void {
  sendProblem(response, { status: 404, code: 'file_not_found', title: 'There is no such file', headers: { 'Cache-Control': 'no-store' } });
}
