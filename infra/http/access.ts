import type { Request, Response } from 'express';
import { clientNetwork } from './client-address.ts';
import { ProblemError } from './problem.ts';
import type { Route } from './route.ts';
import type { Authenticator, LimitState, RateLimiter, TokenVerdict } from './services.ts';
import type { LoggedIn } from './route.ts';

export type Caller = { readonly account: LoggedIn | undefined; readonly operator: boolean };

/** Finds out who calls. Throws a 401 problem when the route needs a login and there is no valid one. */
export async function identifyCaller(route: Route, request: Request, authenticator: Authenticator): Promise<Caller> {
  const operatorToken = request.get('X-Operator-Token');
  const operator = operatorToken !== undefined && (await authenticator.operator(operatorToken));
  if (route.auth === 'none') return { account: undefined, operator };
  const [scheme, token] = (request.get('Authorization') ?? '').split(' ', 2);
  if (scheme?.toLowerCase() !== 'bearer' || token === undefined)
    throw unauthenticated('unauthenticated', 'Log in and send the access token as `Authorization: Bearer …`.');
  const verdict = await authenticator.account(token);
  if (verdict.ok) return { account: verdict.account, operator };
  throw reject(verdict.reason);
}

function reject(reason: Extract<TokenVerdict, { ok: false }>['reason']): ProblemError {
  switch (reason) {
    case 'expired':
      return unauthenticated('token_expired', 'Fetch a new access token with the refresh token.');
    case 'session_ended':
      return unauthenticated('session_ended', 'Log in again.');
    case 'invalid':
      return unauthenticated('unauthenticated', 'The access token is not valid.');
    default:
      return reason satisfies never;
  }
}

function unauthenticated(code: string, detail: string): ProblemError {
  return new ProblemError({
    status: 401,
    code,
    title: 'A login is needed',
    detail,
    headers: { 'WWW-Authenticate': 'Bearer' },
  });
}

/** Draws from the caller's buckets and writes the X-RateLimit headers. Throws a 429 problem when one is empty. */
export async function limitRate(
  limiter: RateLimiter,
  route: Route,
  caller: Caller,
  http: { request: Request; response: Response },
): Promise<void> {
  if (caller.operator) return;
  const subject = caller.account?.id ?? clientNetwork(http.request.ip);
  const state = await limiter.take(subject, ['requests', ...(route.limits ?? [])]);
  if (state === undefined) return;
  for (const [name, value] of Object.entries(rateLimitHeaders(state))) http.response.setHeader(name, value);
  if (!state.allowed) throw tooMany(state);
}

/** The 429 answer to a caller whose bucket is empty. */
export function tooMany(state: LimitState): ProblemError {
  const headers = { ...rateLimitHeaders(state), 'Retry-After': String(state.retryAfterSeconds) };
  return new ProblemError({
    status: 429,
    code: 'rate_limited',
    title: 'Too many requests',
    detail: `Try again in ${String(state.retryAfterSeconds)} s.`,
    headers,
  });
}

function rateLimitHeaders(state: LimitState): Record<string, string> {
  return {
    'X-RateLimit-Limit': String(state.limit),
    'X-RateLimit-Remaining': String(state.remaining),
    'X-RateLimit-Reset': String(state.resetSeconds),
  };
}
