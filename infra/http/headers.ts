import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';

const REQUEST_ID = /^[A-Za-z0-9._-]{1,100}$/;

/**
 * Gives each request an id: the client's `X-Request-Id` when it is harmless, else a fresh one; the answer carries it.
 */
export function requestIds(): RequestHandler {
  return (request, response, next) => {
    const sent = request.get('X-Request-Id');
    response.setHeader('X-Request-Id', sent !== undefined && REQUEST_ID.test(sent) ? sent : randomUUID());
    next();
  };
}

/** What every answer says that nothing overrules: no cache, no frame, no guessing of types, nothing loaded. */
export const API_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

/** Headers that keep answers out of caches, frames and content sniffing; a route may overrule one. */
export function securityHeaders(): RequestHandler {
  return (_request, response, next) => {
    for (const [name, value] of Object.entries(API_HEADERS)) response.setHeader(name, value);
    next();
  };
}

const SENT_BY_BROWSERS = 'Authorization, Content-Type, Consistency-Token, Idempotency-Key, X-Request-Id';
const READ_BY_BROWSERS =
  'Consistency-Token, X-Consistency, X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Feed-Quality, X-Cache-Status, Retry-After';

/** Lets pages of the listed origins call the API; without origins no page of another origin may. */
export function cors(origins: readonly string[]): RequestHandler {
  return (request, response, next) => {
    const origin = request.get('Origin');
    if (origins.length > 0) response.vary('Origin');
    if (origin === undefined || !origins.includes(origin)) {
      next();
      return;
    }
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Expose-Headers', READ_BY_BROWSERS);
    response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
    if (request.method !== 'OPTIONS' || request.get('Access-Control-Request-Method') === undefined) {
      next();
      return;
    }
    response.setHeader('Access-Control-Allow-Methods', 'GET, POST, PUT, DELETE');
    response.setHeader('Access-Control-Allow-Headers', SENT_BY_BROWSERS);
    response.setHeader('Access-Control-Max-Age', '600');
    response.status(204).end();
  };
}
