import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { exchangeRaw, statusOf } from '../../../testing/raw-http.ts';
import { startEdge, type EdgeOptions } from './edge.ts';

const releases: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

describe('edge', () => {
  it('sends reads to the read API and everything else to the write API', async () => {
    const origin = await edgeBefore({ read: echo('read'), write: echo('write') });
    expect(await text(`${origin}/v1/feed?limit=3`)).toBe('read GET /v1/feed?limit=3');
    expect(await text(`${origin}/v1/posts`, { method: 'POST', body: '{}' })).toBe('write POST /v1/posts');
    expect(await text(`${origin}/v1/posts/1`, { method: 'DELETE' })).toBe('write DELETE /v1/posts/1');
    expect(await text(`${origin}/upload/a?sig=b`, { method: 'PUT', body: 'x' })).toBe('write PUT /upload/a?sig=b');
  });

  it('passes a large body and its answer through unchanged', async () => {
    const body = Buffer.alloc(3_000_000, 'photo');
    const origin = await edgeBefore({
      write: (request, response) => {
        request.pipe(response);
      },
    });
    const answer = await fetch(`${origin}/v1/posts`, { method: 'POST', body });
    expect(Buffer.compare(Buffer.from(await answer.arrayBuffer()), body)).toBe(0);
  });

  it('joins the documents of both APIs, and answers 502 when one of them has none', async () => {
    const document =
      (operations: object): RequestListener =>
      (_request, response) => {
        response.end(JSON.stringify({ openapi: '3.1.0', info: { version: '1' }, paths: { '/v1/a': operations } }));
      };
    const origin = await edgeBefore({ read: document({ get: {} }), write: document({ post: {} }) });
    expect(JSON.parse(await text(`${origin}/openapi.json`))).toMatchObject({
      openapi: '3.1.0',
      paths: { '/v1/a': { get: {}, post: {} } },
    });
    expect((await fetch(`${await edgeBefore({ read: document({}) })}/openapi.json`)).status).toBe(502);
  });

  it('keeps metrics inside, however they are asked for', async () => {
    const origin = await edgeBefore({ read: echo('read') });
    const port = Number(new URL(origin).port);
    const answer = await fetch(`${origin}/metrics`);
    expect(await answer.json()).toMatchObject({ code: 'not_found', status: 404 });
    for (const path of [
      '/Metrics',
      '/metrics/',
      '/./metrics',
      '/v1/../metrics',
      '//metrics',
      'http://edge/metrics',
      '/health/projections',
    ]) {
      for (const upgrade of [
        '',
        'connection: upgrade\r\nupgrade: websocket\r\n',
        'connection: upgrade\r\nupgrade: h2c\r\n',
      ]) {
        const raw = await exchangeRaw(
          port,
          `GET ${path} HTTP/1.1\r\nhost: edge\r\n${upgrade || 'connection: close\r\n'}\r\n`,
        );
        expect([path, statusOf(raw)]).toEqual([path, 404]);
      }
    }
  });

  it('answers a client that would rather speak HTTP/2 in HTTP/1.1', async () => {
    const origin = await edgeBefore({
      read: (request, response) => {
        response.end(JSON.stringify(request.headers));
      },
    });
    const raw = await exchangeRaw(
      Number(new URL(origin).port),
      'GET /v1/feed HTTP/1.1\r\nhost: edge\r\nconnection: Upgrade, HTTP2-Settings, X-Mine\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\nx-mine: 1\r\n\r\n',
    );
    expect(statusOf(raw)).toBe(200);
    for (const name of ['upgrade', 'http2-settings', 'x-mine']) expect(raw).not.toContain(`"${name}"`);
  });

  it('does not let a client choose the address that the APIs see', async () => {
    const origin = await edgeBefore({
      read: (request, response) => {
        response.end(String(request.headers['x-forwarded-for']));
      },
    });
    expect(await text(`${origin}/v1/feed`, { headers: { 'x-forwarded-for': '203.0.113.9' } })).not.toContain(
      '203.0.113.9',
    );
  });

  it('answers 502 as a problem while an API is down, and recovers with it', async () => {
    const read = await listening(echo('read'));
    const origin = await edgeBefore({}, { readApi: originOf(read) });
    expect(await text(`${origin}/v1/feed`)).toBe('read GET /v1/feed');
    const port = portOf(read);
    await stopListening(read);
    const down = await fetch(`${origin}/v1/feed`);
    expect(down.status).toBe(502);
    expect(await down.json()).toMatchObject({ code: 'upstream_unavailable' });
    await listening(echo('read'), port);
    expect(await text(`${origin}/v1/feed`)).toBe('read GET /v1/feed');
  });

  it('breaks off when the API breaks off in the middle of an answer', async () => {
    const origin = await edgeBefore({
      read: (_request, response) => {
        response.write('half');
        setImmediate(() => {
          response.destroy();
        });
      },
    });
    await expect(text(`${origin}/v1/feed`)).rejects.toThrow();
  });

  it('delivers server-sent events as they come and lets go upstream when the client leaves', async () => {
    let left: () => void = () => undefined;
    const upstreamClosed = new Promise<void>((resolve) => {
      left = resolve;
    });
    const origin = await edgeBefore({
      read: (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: one\n\n');
        response.on('close', left);
      },
    });
    const client = httpRequest(`${origin}/v1/live`).end();
    const answer = await new Promise<IncomingMessage>((resolve) => {
      client.once('response', resolve);
    });
    const first = await new Promise<Buffer>((resolve) => {
      answer.once('data', resolve);
    });
    expect(first.toString()).toBe('data: one\n\n');
    client.destroy();
    await upstreamClosed;
  });

  it('refuses live connections beyond its limit with 503, and takes one again when another ends', async () => {
    const origin = await edgeBefore(
      {
        read: (_request, response) => {
          response.write('data: open\n\n');
        },
      },
      { limits: { live: 1 } },
    );
    const held = new AbortController();
    await fetch(`${origin}/v1/live`, { signal: held.signal });
    expect((await fetch(`${origin}/v1/live`)).status).toBe(503);
    held.abort();
    await expect
      .poll(async () => {
        const next = new AbortController();
        const { status } = await fetch(`${origin}/v1/live`, { signal: next.signal });
        next.abort();
        return status;
      })
      .toBe(200);
  });

  it('passes a WebSocket through in both directions', async () => {
    const read = await listening(echo('read'));
    read.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n');
      socket.pipe(socket);
    });
    const origin = await edgeBefore({}, { readApi: originOf(read) });
    const socket = connect(Number(new URL(origin).port), '127.0.0.1');
    releases.push(() => {
      socket.destroy();
    });
    socket.write('GET /v1/live HTTP/1.1\r\nhost: edge\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n');
    const head = await new Promise<Buffer>((resolve) => {
      socket.once('data', resolve);
    });
    expect(head.toString()).toContain('101 Switching Protocols');
    socket.write('ping');
    const back = await new Promise<Buffer>((resolve) => {
      socket.once('data', resolve);
    });
    expect(back.toString()).toBe('ping');
  });

  it('answers an upgrade that the API does not know as the API does', async () => {
    const origin = await edgeBefore({
      read: (_request, response) => {
        response.writeHead(404, { 'x-from': 'api' }).end('nothing live here');
      },
    });
    for (const path of ['/v1/live', '/v1/feed']) {
      const raw = await exchangeRaw(
        Number(new URL(origin).port),
        `GET ${path} HTTP/1.1\r\nhost: edge\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n`,
      );
      expect(statusOf(raw)).toBe(404);
      expect(raw).toContain('nothing live here');
    }
  });

  it('shows the demo login on its first page to this machine alone, with markup in names made harmless', async () => {
    const origin = await edgeBefore({}, { home: () => ({ demo: { username: 'demo', password: '<b>&' } }) });
    const page = await text(`${origin}/`);
    expect(page).toContain('href="/docs"');
    expect(page).toContain('&lt;b&gt;&amp;');
    expect(await text(`${origin}/`, { headers: { 'x-forwarded-for': '203.0.113.9' } })).not.toContain('&lt;b&gt;');
    expect(
      await exchangeRaw(
        Number(new URL(origin).port),
        'GET / HTTP/1.1\r\nhost: shutterlog.example\r\nconnection: close\r\n\r\n',
      ),
    ).not.toContain('&lt;b&gt;');
  });

  it('says on its own pages as on those of the APIs what a browser must not do with them', async () => {
    const document: RequestListener = (_request, response) => {
      response.end(JSON.stringify({ openapi: '3.1.0', info: { version: '1' }, paths: {} }));
    };
    const origin = await edgeBefore({ read: document, write: document });
    for (const path of ['/', '/openapi.json', '/metrics']) {
      const { headers } = await fetch(origin + path);
      expect([path, headers.get('x-content-type-options'), headers.get('referrer-policy')]).toEqual([
        path,
        'nosniff',
        'no-referrer',
      ]);
      expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'(?!.*unsafe)/);
    }
  });
});

function echo(name: string): RequestListener {
  return (request, response) => {
    request.resume().on('end', () => {
      response.end(`${name} ${request.method} ${request.url}`);
    });
  };
}

async function edgeBefore(
  apis: { read?: RequestListener; write?: RequestListener },
  options: Partial<EdgeOptions> = {},
): Promise<string> {
  const readApi = options.readApi ?? originOf(await listening(apis.read ?? echo('read')));
  const writeApi = options.writeApi ?? originOf(await listening(apis.write ?? echo('write')));
  const edge = await startEdge({ host: '127.0.0.1', port: 0, home: () => ({}), ...options, readApi, writeApi });
  releases.push(() => edge.close());
  return `http://127.0.0.1:${edge.port}`;
}

async function listening(listener: RequestListener, port = 0): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
  releases.push(() => stopListening(server));
  return server;
}

function stopListening(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}

function portOf(server: Server): number {
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

const originOf = (server: Server) => `http://127.0.0.1:${portOf(server)}`;

async function text(url: string, init?: RequestInit): Promise<string> {
  return (await fetch(url, init)).text();
}
