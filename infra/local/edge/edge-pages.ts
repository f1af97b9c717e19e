import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isLoopback } from '../../http/client-address.ts';
import { API_HEADERS } from '../../http/headers.ts';
import { problemBody, type Problem } from '../../http/problem.ts';
import { homePage, HOME_STYLE, type HomePage } from './home-page.ts';

const STYLE_HASH = createHash('sha256').update(HOME_STYLE).digest('base64');
/** What the first page may load. */
export const HOME_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

export const PROBLEMS = {
  nothing_here: { status: 404, code: 'not_found', title: 'There is nothing here' },
  too_many: {
    status: 503,
    code: 'overloaded',
    title: 'Too many requests at once; try again in a moment',
    headers: { 'Retry-After': '1' },
  },
  api_away: {
    status: 502,
    code: 'upstream_unavailable',
    title: 'The service behind this address is not answering; try again in a moment',
    headers: { 'Retry-After': '1' },
  },
  body_late: {
    status: 408,
    code: 'body_too_late',
    title: 'The body did not arrive in time',
    headers: { Connection: 'close' },
  },
  body_large: { status: 413, code: 'body_too_large', title: 'The body is too large' },
} as const satisfies Record<string, Problem>;

/** Answers with a problem in the form and with the headers that the APIs use. */
export function sendProblem(response: ServerResponse, problem: Problem): void {
  if (response.headersSent || response.destroyed) return;
  const requestId = randomUUID();
  response.writeHead(problem.status, {
    ...API_HEADERS,
    'Content-Type': 'application/problem+json',
    'X-Request-Id': requestId,
    ...problem.headers,
  });
  response.end(JSON.stringify(problemBody(problem, requestId)));
}

/** Answers with the first page; the demo login is on it for this machine only. */
export function sendHome(page: HomePage, request: IncomingMessage, response: ServerResponse): void {
  const shown = isFromThisMachine(request) ? page : {};
  response.writeHead(200, {
    ...API_HEADERS,
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': HOME_POLICY,
  });
  response.end(request.method === 'HEAD' ? undefined : homePage(shown));
}

/** Answers with a document, or with 502 when it cannot be had. */
export function sendDocument(document: Promise<object>, request: IncomingMessage, response: ServerResponse): void {
  document.then(
    (whole) => {
      response.writeHead(200, { ...API_HEADERS, 'Content-Type': 'application/json; charset=utf-8' });
      response.end(request.method === 'HEAD' ? undefined : JSON.stringify(whole));
    },
    () => {
      sendProblem(response, PROBLEMS.api_away);
    },
  );
}

// Behind a proxy of somebody's on this machine everybody comes from here; and a page of the net may name this machine
// under a name of its own.
function isFromThisMachine({ socket, headers }: IncomingMessage): boolean {
  const viaProxy = ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'].some((name) => headers[name] !== undefined);
  return (
    isLoopback(socket.remoteAddress) &&
    !viaProxy &&
    /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i.test(headers.host ?? '')
  );
}
