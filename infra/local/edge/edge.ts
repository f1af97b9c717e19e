import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Socket, type AddressInfo } from 'node:net';
import { createProxyServer, type ProxyServer } from 'http-proxy-3';
import { edgeTarget, isLive } from './edge-routes.ts';
import { homePage, type HomePage } from './home-page.ts';
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
  /** Requests in progress beyond which new ones are answered 503. */
  maxRequests?: number;
  /** Live connections (server-sent events, WebSockets) beyond which new ones are answered 503. */
  maxLive?: number;
};

export type Edge = { port: number; close: () => Promise<void> };

const MAX_REQUESTS = 2_000;
const MAX_LIVE = 5_000;
const MAX_SOCKETS = 512;
const UPSTREAM_LIMIT_MS = 60_000;
const CLOSE_LIMIT_MS = 5_000;

type Gateway = { proxy: ProxyServer; options: EdgeOptions; agent: Agent; open: { requests: number; live: number } };

/**
 * Serves both APIs under one origin: GET and HEAD from the read API, everything else from the write API, live
 * connections passed through. Resolves once it listens; rejects when the port is taken. `close` lets running requests
 * end, bounded.
 */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const proxy = createProxyServer({ xfwd: true });
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, scheduling: 'lifo' });
  const gateway: Gateway = { proxy, options, agent, open: { requests: 0, live: 0 } };
  // A response that breaks off upstream must break off here, too: the client would otherwise wait for the rest for
  // ever.
  proxy.on('proxyRes', (upstream, _request, response) => {
    upstream.once('close', () => {
      if (!upstream.complete) response.destroy();
    });
  });
  const server = createServer((request, response) => {
    handle(gateway, request, response);
  });
  server.on('upgrade', (request, socket, head) => {
    if (socket instanceof Socket) upgrade(gateway, { request, socket, head });
    else socket.destroy();
  });
  const port = await listen(server, options);
  return {
    port,
    close: async () => {
      await closeServer(server);
      agent.destroy();
    },
  };
}

function handle(gateway: Gateway, request: IncomingMessage, response: ServerResponse): void {
  const target = edgeTarget(
    request.method ?? 'GET',
    request.url ?? '/',
    request.headers['access-control-request-method'],
  );
  switch (target) {
    case 'home': {
      sendHome(gateway.options.home(), request, response);
      return;
    }
    case 'contract': {
      sendContract(gateway.options, request, response);
      return;
    }
    case 'hidden': {
      sendProblem(response, 404, 'not_found');
      return;
    }
    case 'read-api': {
      forward(gateway, gateway.options.readApi, request, response);
      return;
    }
    case 'write-api': {
      forward(gateway, gateway.options.writeApi, request, response);
      return;
    }
    default:
      target satisfies never;
  }
}

function forward(gateway: Gateway, target: string, request: IncomingMessage, response: ServerResponse): void {
  const live = isLive(request.url ?? '/');
  if (!enter(gateway, live ? 'live' : 'requests')) {
    sendProblem(response, 503, 'overloaded');
    return;
  }
  response.once('close', () => {
    leave(gateway, live ? 'live' : 'requests');
  });
  trustNobody(request);
  // A live answer is silent for long and holds its connection for good, so it neither times out nor takes one of the
  // pool's.
  const options = live
    ? { target, agent: false, proxyTimeout: 0 }
    : { target, agent: gateway.agent, proxyTimeout: UPSTREAM_LIMIT_MS };
  gateway.proxy.web(request, response, options, () => {
    if (response.headersSent) response.destroy();
    else sendProblem(response, 502, 'upstream_unavailable');
  });
}

function upgrade(
  gateway: Gateway,
  { request, socket, head }: { request: IncomingMessage; socket: Socket; head: Buffer },
): void {
  if (!enter(gateway, 'live')) {
    socket.end('HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\r\n');
    return;
  }
  socket.once('close', () => {
    leave(gateway, 'live');
  });
  socket.on('error', () => {
    socket.destroy();
  });
  trustNobody(request);
  gateway.proxy.ws(request, socket, head, { target: gateway.options.readApi, agent: false, proxyTimeout: 0 }, () => {
    if (socket.bytesWritten === 0) socket.end('HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\n\r\n');
  });
}

function enter({ open, options }: Gateway, kind: 'requests' | 'live'): boolean {
  const limit = kind === 'live' ? (options.maxLive ?? MAX_LIVE) : (options.maxRequests ?? MAX_REQUESTS);
  if (open[kind] >= limit) return false;
  open[kind] += 1;
  return true;
}

function leave({ open }: Gateway, kind: 'requests' | 'live'): void {
  open[kind] -= 1;
}

/**
 * The edge is the first proxy: what a client claims about forwarding would let it choose its own address for rate
 * limits.
 */
function trustNobody(request: IncomingMessage): void {
  const { headers } = request;
  delete headers['x-forwarded-for'];
  delete headers['x-forwarded-port'];
  delete headers['x-forwarded-proto'];
  delete headers['x-forwarded-host'];
  delete headers.forwarded;
}

function sendHome(page: HomePage, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    'cache-control': 'no-store',
  });
  response.end(request.method === 'HEAD' ? undefined : homePage(page));
}

function sendContract(apis: EdgeOptions, request: IncomingMessage, response: ServerResponse): void {
  wholeContract(apis).then(
    (document) => {
      response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
      response.end(request.method === 'HEAD' ? undefined : JSON.stringify(document));
    },
    () => {
      sendProblem(response, 502, 'upstream_unavailable');
    },
  );
}

const PROBLEMS = {
  not_found: 'There is nothing here',
  overloaded: 'Too many requests at once; try again in a moment',
  upstream_unavailable: 'The service behind this address is not answering; try again in a moment',
};

function sendProblem(response: ServerResponse, status: number, code: keyof typeof PROBLEMS): void {
  const headers = { 'content-type': 'application/problem+json', ...(status === 404 ? {} : { 'retry-after': '1' }) };
  // The rest of an unread body would be taken for the next request on this connection.
  response.writeHead(status, { ...headers, connection: 'close' });
  response.end(JSON.stringify({ type: 'about:blank', title: PROBLEMS[code], status, code }));
}

function listen(server: Server, { host, port }: EdgeOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      resolve(portOf(server.address(), port));
    });
  });
}

function portOf(address: AddressInfo | string | null, asked: number): number {
  return address === null || typeof address === 'string' ? asked : address.port;
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  server.closeIdleConnections();
  const limit = setTimeout(() => {
    server.closeAllConnections();
  }, CLOSE_LIMIT_MS);
  await closed;
  clearTimeout(limit);
}
