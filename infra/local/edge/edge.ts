import type { EventEmitter } from 'node:events';
import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clientNetwork } from '../../http/client-address.ts';
import { lingerAfterAnswers } from '../../http/linger.ts';
import { bound, drain } from '../../http/server.ts';
import {
  createBodyReceiver,
  type BodyLimits,
  type BodyReceiver,
  type ReceivedBody,
  type Reception,
} from './edge-body.ts';
import { boundWaiting, type ConnectionLimits, type WaitingConnections } from './edge-connections.ts';
import { forward } from './edge-forward.ts';
import { answerOn, asksForWebSocket, forwardUpgrade } from './edge-live.ts';
import { PROBLEMS, sendDocument, sendHome, sendProblem } from './edge-pages.ts';
import { edgeRoute, type EdgeRoute } from './edge-routes.ts';
import type { HomePage } from './home-page.ts';
import { wholeContract } from './whole-contract.ts';

export type EdgeOptions = {
  host: string;
  /** 0 takes any free port. */
  port: number;
  /** Origins of the two APIs, such as `http://127.0.0.1:4002`. */
  readApi: string;
  writeApi: string;
  /** What `/` says; asked for each request, because the demo world comes after the edge. */
  home: () => HomePage;
  /** Where large bodies wait until they are whole; the system's temporary directory by default. */
  spoolDir?: string;
  limits?: Partial<EdgeLimits>;
  /** Told of errors of the listening socket. */
  onError?: (error: Error) => void;
};

export type EdgeLimits = BodyLimits &
  ConnectionLimits & {
    /** Requests that an API is asked at once, beyond which new ones are answered 503: in all, and from one address. */
    requests: number;
    requestsPerAddress: number;
    /** Live connections (server-sent events, WebSockets) beyond which new ones are answered 503. */
    live: number;
  };

export type Edge = { port: number; close: () => Promise<void> };

const MB = 1_000_000;
const LIMITS: EdgeLimits = {
  requests: 2_000,
  requestsPerAddress: 500,
  live: 5_000,
  perAddress: 512,
  total: 4_096,
  patienceMs: 15_000,
  bytesPerSecond: 8_192,
  memoryBytes: 32_768,
  spoolBytes: 4_000 * MB,
  spoolBytesPerAddress: 2_000 * MB,
};
/** The largest JSON that an API takes is smaller; a form holds ten files of at most 100 MB (`domain/limits.ts`). */
const BODY_BYTES = { usual: 1 * MB, files: 1_010 * MB };
/**
 * Bodies have a limit of their own, so none is set for whole requests: the slowest upload that is waited for takes
 * long.
 */
const TIME_LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 0,
  keepAliveTimeout: 20_000,
  connectionsCheckingInterval: 1_000,
};
const SILENCE_MS = 60_000;
const CLOSE_LIMIT_MS = 5_000;

type Gateway = {
  readonly options: EdgeOptions;
  readonly limits: EdgeLimits;
  readonly agent: Agent;
  readonly receive: BodyReceiver;
  readonly waiting: WaitingConnections;
  readonly open: { requests: number; live: number; byNetwork: Map<string, number> };
};
type Exchange = { readonly request: IncomingMessage; readonly response: ServerResponse; readonly route: EdgeRoute };

/**
 * Serves both APIs under one origin, on one machine: GET and HEAD from the read API, everything else from the write
 * API, live connections passed through, and nothing that is not public (`edge-routes.ts`). An API is asked only once a
 * request is all there. Resolves once it listens; rejects when the port is taken. `close` lets running requests end,
 * bounded.
 */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const limits = { ...LIMITS, ...options.limits };
  const server = createServer({
    ...TIME_LIMITS,
    shouldUpgradeCallback: (request) => asksForWebSocket(request) && routeOf(request).live,
  });
  const gateway: Gateway = {
    options,
    limits,
    agent: new Agent({ keepAlive: true, maxSockets: limits.requests, scheduling: 'lifo' }),
    receive: createBodyReceiver(options.spoolDir ?? join(tmpdir(), 'shutterlog-edge'), limits),
    waiting: boundWaiting(server, limits),
    open: { requests: 0, live: 0, byNetwork: new Map() },
  };
  lingerAfterAnswers(server);
  server.on('request', (request, response) => {
    handle(gateway, { request, response, route: routeOf(request) });
  });
  server.on('upgrade', (request, socket, head) => {
    const response = answerOn(socket, request);
    if (response === undefined) return;
    gateway.waiting.leave(request.socket);
    if (!enter(gateway, { request, response, route: routeOf(request) }, socket)) return;
    const onFailure = () => {
      sendProblem(response, PROBLEMS.api_away);
    };
    forwardUpgrade({ request, response, origin: options.readApi, url: routeOf(request).url, onFailure }, head);
  });
  await bound(server, options);
  server.on('error', (error) => {
    options.onError?.(error);
  });
  return {
    port: portOf(server, options.port),
    close: async () => {
      await drain(server, CLOSE_LIMIT_MS);
      gateway.agent.destroy();
    },
  };
}

function routeOf(request: IncomingMessage): EdgeRoute {
  return edgeRoute(request.method ?? 'GET', request.url ?? '/', request.headers['access-control-request-method']);
}

function handle(gateway: Gateway, exchange: Exchange): void {
  const { request, response, route } = exchange;
  const { options, waiting } = gateway;
  // Where another protocol was asked for, nobody knows whether what follows is HTTP.
  if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
  // Between two requests of a connection it waits again.
  response.once('close', () => {
    waiting.wait(request.socket);
  });
  switch (route.target) {
    case 'home': {
      sendHome(options.home(), request, response);
      return;
    }
    case 'contract': {
      sendDocument(wholeContract(options), request, response);
      return;
    }
    case 'nobody': {
      sendProblem(response, PROBLEMS.nothing_here);
      return;
    }
    case 'read-api': {
      void pass(gateway, exchange, options.readApi);
      return;
    }
    case 'write-api': {
      void pass(gateway, exchange, options.writeApi);
      return;
    }
    default:
      route.target satisfies never;
  }
}

/** Takes the request whole, then passes it on. */
async function pass(gateway: Gateway, exchange: Exchange, origin: string): Promise<void> {
  const { request, response, route } = exchange;
  const { waiting, receive } = gateway;
  const onProgress = () => {
    waiting.wait(request.socket);
  };
  const received = await receive(request, {
    limitBytes: route.files ? BODY_BYTES.files : BODY_BYTES.usual,
    onProgress,
  }).catch((): Reception => ({ ok: false, code: 'no_room' }));
  if (!received.ok) {
    refuse(received.code, response);
    return;
  }
  if (response.destroyed || !enter(gateway, exchange)) {
    await received.body.release();
    return;
  }
  waiting.leave(request.socket);
  passOn(gateway, exchange, { origin, body: received.body });
}

function refuse(code: Extract<Reception, { ok: false }>['code'], response: ServerResponse): void {
  switch (code) {
    case 'late': {
      sendProblem(response, PROBLEMS.body_late);
      return;
    }
    case 'too_large': {
      sendProblem(response, PROBLEMS.body_large);
      return;
    }
    case 'no_room': {
      sendProblem(response, PROBLEMS.too_many);
      return;
    }
    case 'gone': {
      response.destroy();
      return;
    }
    default:
      code satisfies never;
  }
}

function passOn(
  { agent }: Gateway,
  { request, response, route }: Exchange,
  { origin, body }: { origin: string; body: ReceivedBody },
): void {
  const onFailure = () => {
    sendProblem(response, PROBLEMS.api_away);
  };
  // A live answer is silent for long and holds its connection for good, so it neither times out nor takes one of the
  // pool's.
  const way = route.live ? { agent: undefined, silenceMs: undefined } : { agent, silenceMs: SILENCE_MS };
  const asked = forward({ request, response, origin, url: route.url, body, onFailure, ...way });
  asked.once('close', () => {
    void body.release();
  });
}

/**
 * Counts a request in until its answer, or what else it lasts for, is over; answers 503 and is false when there are too
 * many.
 */
function enter(
  { open, limits }: Gateway,
  { request, response, route }: Exchange,
  lasting: EventEmitter = response,
): boolean {
  const kind = route.live ? 'live' : 'requests';
  const network = clientNetwork(request.socket.remoteAddress);
  const ofNetwork = open.byNetwork.get(network) ?? 0;
  if (open[kind] >= limits[kind] || (kind === 'requests' && ofNetwork >= limits.requestsPerAddress)) {
    sendProblem(response, PROBLEMS.too_many);
    return false;
  }
  count(open, { kind, network, by: 1 });
  lasting.once('close', () => {
    count(open, { kind, network, by: -1 });
  });
  return true;
}

function count(
  open: Gateway['open'],
  { kind, network, by }: { kind: 'live' | 'requests'; network: string; by: number },
): void {
  open[kind] += by;
  if (kind === 'live') return;
  const now = (open.byNetwork.get(network) ?? 0) + by;
  if (now === 0) open.byNetwork.delete(network);
  else open.byNetwork.set(network, now);
}

function portOf(server: Server, asked: number): number {
  const address = server.address();
  return address === null || typeof address === 'string' ? asked : address.port;
}
