import { connect as connectHttp2 } from 'node:http2';
import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../../../testing/http.ts';
import { hasNginx, nginxForTests, type NginxEdge } from '../../../testing/nginx.ts';
import { exchangeRaw, openRaw, statusOf } from '../../../testing/raw-http.ts';
import { API_HEADERS } from '../../http/headers.ts';
import { HOME_POLICY } from './edge-pages.ts';
import { listen, type RunningServer } from '../../http/server.ts';

let edge: NginxEdge;
let apis: RunningServer[] = [];
let asked: string[] = [];

const api =
  (name: string): RequestListener =>
  (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (request.url?.startsWith('/upload/refused') === true) {
      response.writeHead(403).end('spent');
      return;
    }
    request.resume().once('end', () => {
      response.end(`${name} ${request.method} ${request.url} ${JSON.stringify(request.headers)}`);
    });
  };

describe.runIf(hasNginx())('the edge of a deployment, nginx', () => {
  beforeAll(async () => {
    const address = { port: 0, host: '127.0.0.1' };
    apis = [await listen(api('read'), address), await listen(api('write'), address)];
    edge = await nginxForTests({ readApi: apis[0]?.port ?? 0, writeApi: apis[1]?.port ?? 0, bodyTimeoutMs: 1_000 });
  });
  afterAll(async () => {
    await edge.close();
    await Promise.all(apis.map((each) => each.close()));
  });

  it.each([
    ['GET', '/v1/feed?limit=3', 'read'],
    ['HEAD', '/media/a', 'read'],
    ['GET', '/docs', 'read'],
    ['GET', '/docs/start.js', 'read'],
    ['GET', '/health/ready', 'read'],
    ['GET', '/v1/live', 'read'],
    ['POST', '/v1/posts', 'write'],
    ['GET', '/v1/posts', 'read'],
    ['DELETE', '/v1/posts/1', 'write'],
    ['PUT', '/upload/a?sig=b', 'write'],
  ])('%s %s goes to the %s API', async (method, path, name) => {
    const { status, body } = await send(`http://127.0.0.1:${edge.port}${path}`, { method });
    expect(status).toBe(200);
    if (method !== 'HEAD') expect(body).toMatch(new RegExp(`^${name} ${method} ${path.replace('?', '\\?')} `));
  });

  it.each([
    '/metrics',
    '/Metrics',
    '/metrics/',
    '/./metrics',
    '//metrics',
    '/v1/../metrics',
    '/v1/%2e%2e/metrics',
    '/%6detrics',
    'http://edge/metrics',
    '/health',
    '/health/projections',
    '/problems/not_found',
    '/nginx.conf',
  ])('keeps %s inside, also from whoever asks for another protocol', async (path) => {
    asked = [];
    for (const upgrade of ['', 'upgrade: websocket\r\n', 'upgrade: h2c\r\n']) {
      const answer = await exchangeRaw(
        edge.port,
        `GET ${path} HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n${upgrade}\r\n`,
      );
      expect([path, statusOf(answer)]).toEqual([path, 404]);
      expect(answer).toContain('"code":"not_found"');
    }
    expect(asked).toEqual([]);
  });

  it('answers HTTP/2 over plain HTTP in HTTP/1.1, and passes a WebSocket on for live connections alone', async () => {
    const headersFor = (path: string, upgrade: string) =>
      exchangeRaw(
        edge.port,
        `GET ${path} HTTP/1.1\r\nhost: edge\r\nconnection: upgrade, close\r\nupgrade: ${upgrade}\r\nhttp2-settings: AAMAAABk\r\n\r\n`,
      );
    const h2c = await headersFor('/v1/feed', 'h2c');
    expect(statusOf(h2c)).toBe(200);
    for (const [path, upgrade, passed] of [
      ['/v1/feed', 'h2c', false],
      ['/v1/feed', 'websocket', false],
      ['/v1/live', 'websocket', true],
    ] as const)
      expect((await headersFor(path, upgrade)).includes('"upgrade":"websocket"')).toBe(passed);
  });

  it('says where a client is, whatever the client claims', async () => {
    const { body } = await send(`http://127.0.0.1:${edge.port}/v1/feed`, {
      headers: { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9', 'x-forwarded-proto': 'https' },
    });
    expect(body).toContain('"x-forwarded-for":"127.0.0.1"');
    expect(body).toContain('"x-forwarded-proto":"http"');
    expect(body).not.toContain('203.0.113.9');
  });

  it('gives no API a body that does not come, and lets others write meanwhile', async () => {
    asked = [];
    const slow: Socket[] = [];
    for (let i = 0; i < 200; i += 1) {
      const socket = await openRaw(edge.port);
      socket.write('POST /v1/posts/slow/like HTTP/1.1\r\nhost: edge\r\ncontent-length: 1000\r\n\r\n{');
      slow.push(socket);
    }
    const likes = await Promise.all(
      Array.from({ length: 20 }, (_, i) => send(`http://127.0.0.1:${edge.port}/v1/posts/${i}/like`, { json: {} })),
    );
    expect(likes.map(({ status }) => status)).toEqual(likes.map(() => 200));
    const ends = await Promise.all(slow.map((socket) => text(socket).catch(() => '')));
    // nginx closes without a word where it says 408 in its access log.
    expect(new Set(ends)).toEqual(new Set(['']));
    expect(asked.filter((line) => line.includes('slow'))).toEqual([]);
    expect(edge.log()).not.toMatch(/\[(?:error|crit|alert|emerg)\]/);
  });

  it('delivers a refusal that comes before the end of the body, each time', async () => {
    for (let round = 0; round < 50; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () =>
          send(`http://127.0.0.1:${edge.port}/upload/refused`, { method: 'PUT', body: Buffer.alloc(150_000) }),
        ),
      );
      expect(answers.map(({ status, body }) => [status, body])).toEqual(answers.map(() => [403, 'spent']));
    }
    const large = await send(`http://127.0.0.1:${edge.port}/v1/users/login`, { body: Buffer.alloc(1_100_000) });
    expect([large.status, large.body]).toMatchObject([413, { code: 'body_too_large' }]);
  });

  it('says on its own pages what a browser must not do with them', async () => {
    for (const path of ['/', '/openapi.json', '/metrics']) {
      const { headers } = await send(`http://127.0.0.1:${edge.port}${path}`);
      const expected = path === '/' ? { ...API_HEADERS, 'Content-Security-Policy': HOME_POLICY } : API_HEADERS;
      for (const [name, value] of Object.entries(expected))
        expect([path, name, headers.get(name)]).toEqual([path, name, value]);
      expect(headers.get('strict-transport-security')).toBeNull();
    }
  });

  it('speaks TLS 1.3 and HTTP/2, asks to be remembered for that, and refuses what is older than TLS 1.2', async () => {
    const origin = `https://localhost:${edge.tlsPort}`;
    const session = connectHttp2(origin, { rejectUnauthorized: false });
    for (const path of ['/v1/feed', '/metrics']) {
      const stream = session.request({ ':path': path });
      const headers = await new Promise<Record<string, unknown>>((resolve) => {
        stream.once('response', resolve);
      });
      expect(headers[':status']).toBe(path === '/metrics' ? 404 : 200);
      expect(headers['strict-transport-security']).toMatch(/^max-age=31536000/);
      stream.close();
    }
    session.close();
    expect(await protocolOf(edge.tlsPort, {})).toBe('TLSv1.3');
    expect(
      await protocolOf(edge.tlsPort, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ).toBe('refused');
  });
});

function protocolOf(port: number, options: ConnectionOptions): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () => {
      resolve(socket.getProtocol());
      socket.destroy();
    });
    socket.on('error', () => {
      resolve('refused');
    });
  });
}
