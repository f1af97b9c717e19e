import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import express, { type Request, type Response } from 'express';
import { JSON_DEPTH_AT_MOST, nestsDeeper } from './json-depth.ts';
import { ProblemError } from './problem.ts';
import type { ReadBody, Route } from './route.ts';

const DEFAULT_LIMIT_BYTES = 100 * 1024;

/**
 * Makes the body reader of one route. It throws a ProblemError or a parser error: 400 malformed or nested too deep, 413
 * too large, 415 unknown type or charset.
 */
export function bodyReader(
  route: Route,
): (request: Request, response: Response, signal: AbortSignal) => Promise<ReadBody> {
  if (route.schemas.body === undefined) return () => Promise.resolve({ body: undefined, fingerprint: '' });
  const limit = route.bodyLimitBytes ?? DEFAULT_LIMIT_BYTES;
  const parse = express.json({
    limit,
    strict: false,
    type: () => true,
    verify: (_request, _response, bytes) => {
      refuseDepth(bytes);
    },
  });
  const readable = ['application/json', ...Object.keys(route.readers ?? {})];
  return async (request, response, signal) => {
    if (!hasBody(request)) return { body: undefined, fingerprint: '' };
    const type = mediaTypeOf(request);
    const reader = route.readers?.[type];
    if (reader !== undefined) return reader(request, { signal });
    if (!isJson(type)) {
      throw new ProblemError({
        status: 415,
        code: 'unsupported_media_type',
        title: 'The body is in a form that this route does not read',
        detail: `Send ${readable.join(' or ')}.`,
      });
    }
    if (!isUtf8(request))
      throw new ProblemError({
        status: 415,
        code: 'unsupported_media_type',
        title: 'The body is in an encoding that is not read',
        detail: 'JSON is sent in UTF-8.',
      });
    // The parser would wait for all of a body before it says that it is too large.
    if (Number(request.headers['content-length']) > limit)
      throw new ProblemError({ status: 413, code: 'body_too_large', title: 'The body is too large' });
    await new Promise<void>((resolve, reject) => {
      parse(request, response, (error?: unknown) => {
        if (error === undefined) resolve();
        else reject(error instanceof Error ? error : new Error('the body cannot be read', { cause: error }));
      });
    });
    const body: unknown = request.body;
    return {
      body,
      fingerprint: createHash('sha256')
        .update(JSON.stringify(body) ?? '')
        .digest('hex'),
    };
  };
}

/**
 * The bytes of a body for a pipeline that may fail. A pipeline destroys what it reads from, and with a request its
 * connection, so that the refusal would never arrive.
 */
export function bytesOf(request: IncomingMessage): Readable {
  const chunks = request.iterator({ destroyOnReturn: false });
  // Without a `throw`: a failure further on would be thrown into the request's iterator, which then ends the connection.
  const iterator: AsyncIterator<unknown> = {
    next: () => chunks.next(),
    return: async () => {
      await chunks.return?.();
      return { done: true, value: undefined };
    },
  };
  return Readable.from({ [Symbol.asyncIterator]: () => iterator }, { objectMode: false });
}

function hasBody(request: Request): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
}

function mediaTypeOf(request: Request): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

// RFC 8259 has JSON in UTF-8 alone; in other encodings a byte of a letter may look like a bracket.
function isUtf8(request: Request): boolean {
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(request.headers['content-type'] ?? '') ?? [];
  return /^utf-?8$/i.test(charset);
}

function refuseDepth(bytes: Uint8Array): void {
  if (nestsDeeper(bytes))
    throw new ProblemError({
      status: 400,
      code: 'json_too_deep',
      title: 'The body is nested too deep',
      detail: `At most ${String(JSON_DEPTH_AT_MOST)} levels are read.`,
    });
}

function isJson(type: string): boolean {
  return type === 'application/json' || type.endsWith('+json');
}
