import { createHash } from 'node:crypto';
import express, { type Request, type Response } from 'express';
import { ProblemError } from './problem.ts';
import type { ReadBody, Route } from './route.ts';

const DEFAULT_LIMIT_BYTES = 100 * 1024;

/**
 * Makes the body reader of one route. It throws a ProblemError or a parser error: 400 malformed, 413 too large, 415
 * unknown type.
 */
export function bodyReader(
  route: Route,
): (request: Request, response: Response, signal: AbortSignal) => Promise<ReadBody> {
  if (route.schemas.body === undefined) return () => Promise.resolve({ body: undefined, fingerprint: '' });
  const parse = express.json({ limit: route.bodyLimitBytes ?? DEFAULT_LIMIT_BYTES, strict: false, type: () => true });
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

function hasBody(request: Request): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
}

function mediaTypeOf(request: Request): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function isJson(type: string): boolean {
  return type === 'application/json' || type.endsWith('+json');
}
