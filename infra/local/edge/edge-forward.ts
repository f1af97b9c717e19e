import {
  request as askOver,
  type Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import { pipeline } from 'node:stream';
import type { ReceivedBody } from './edge-body.ts';

export type Forwarding = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Origin of the API, and what it is asked for. */
  readonly origin: string;
  readonly url: string;
  /** Undefined for what has none. */
  readonly body?: ReceivedBody;
  /** Undefined takes a connection of its own, for as long as it lasts. */
  readonly agent: Agent | undefined;
  /** How long the API, and a client that reads, may be silent; undefined for ever. */
  readonly silenceMs: number | undefined;
  /** Headers beside those that are passed on, for a change of protocol. */
  readonly extra?: OutgoingHttpHeaders;
  /** Called once when there is no answer and none has begun. */
  readonly onFailure: () => void;
};

/**
 * What concerns one connection and not the message (RFC 9110, 7.6.1); what the edge has dealt with; what only it may
 * say.
 */
const NOT_PASSED_ON = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
  'content-length',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-forwarded-host',
]);
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'trailer']);

/**
 * Asks the API and passes its answer on as it comes. A client that leaves ends the asking; an API that breaks off in
 * the middle breaks the answer off, so that nobody takes half of one for the whole.
 */
export function forward(forwarding: Forwarding): ClientRequest {
  const { request, response, origin, url, body, agent, silenceMs, extra, onFailure } = forwarding;
  const headers = {
    ...passedOn(request.headers),
    ...forwardedFor(request),
    ...extra,
    ...(hasLength(request, body) && { 'content-length': String(body?.bytes ?? 0) }),
  };
  const { hostname, port } = new URL(origin);
  const asked = askOver({
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port,
    path: url,
    method: request.method,
    headers,
    agent: agent ?? false,
    ...(silenceMs !== undefined && { timeout: silenceMs }),
  });
  asked.once('timeout', () => {
    asked.destroy(new Error('the API is silent'));
  });
  asked.on('error', (error) => {
    if (response.headersSent) response.destroy();
    else if (response.destroyed) return;
    else if (wasStale(asked, error)) forward({ ...forwarding, agent: undefined });
    else onFailure();
  });
  response.once('close', () => {
    asked.destroy();
  });
  asked.once('response', (answer) => {
    request.socket.setTimeout(silenceMs ?? 0);
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer.rawHeaders));
    // Whoever waits for events must hear of the connection before the first one.
    if (silenceMs === undefined) response.flushHeaders();
    pipeline(answer, response, () => undefined);
  });
  if (body === undefined || body.bytes === 0) asked.end();
  else pipeline(body.open(), asked, () => undefined);
  return asked;
}

// A kept connection may end at the moment when it is used again; what changes nothing may then be asked once more.
function wasStale(asked: ClientRequest, error: NodeJS.ErrnoException): boolean {
  return (
    asked.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '') && ['GET', 'HEAD'].includes(asked.method)
  );
}

function hasLength(request: IncomingMessage, body: ReceivedBody | undefined): boolean {
  return (body?.bytes ?? 0) > 0 || !['GET', 'HEAD', 'OPTIONS'].includes(request.method ?? 'GET');
}

function passedOn(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const named = new Set(
    (headers.connection ?? '')
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  );
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !NOT_PASSED_ON.has(name) && !named.has(name)));
}

// The edge is the first proxy: what a client claims about forwarding would let it choose its own address for rate
// limits.
function forwardedFor({ socket, headers }: IncomingMessage): OutgoingHttpHeaders {
  return {
    'x-forwarded-for': socket.remoteAddress ?? '',
    'x-forwarded-proto': 'http',
    ...(headers.host !== undefined && { 'x-forwarded-host': headers.host }),
  };
}

/** The headers of an answer that are meant for the client, in their order and as often as they come. */
function endToEnd(rawHeaders: readonly string[]): string[] {
  return rawHeaders.flatMap((name, i) =>
    i % 2 === 0 && !HOP_BY_HOP.has(name.toLowerCase()) ? [name, rawHeaders[i + 1] ?? ''] : [],
  );
}
