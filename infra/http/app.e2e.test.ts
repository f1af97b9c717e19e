import { createConnection } from 'node:net';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AccountId } from '../../domain/ids.ts';
import { createHttpApp, type HttpAppOptions } from './app.ts';
import { defineRoute } from './route.ts';
import { listen, type RunningServer } from './server.ts';

const ann = AccountId.parse('acc_01h2xcejqtf2nbrexx3vqjhp41');
const Note = z.object({ id: z.string(), text: z.string() });
type Code = 'note_not_found';

const routes = [
  defineRoute({
    method: 'post',
    path: '/v1/notes',
    summary: 'Write a note',
    tags: ['notes'],
    auth: 'account',
    body: z.object({ text: z.string().min(1).max(10), tags: z.array(z.string().min(2)).optional() }),
    responses: { 201: Note },
    handler: async ({ body, account, context }) => ({
      status: 201,
      body: { id: `${account.id}/${context.actorId}`, text: body.text },
    }),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/notes/{id}',
    summary: 'Read a note',
    tags: ['notes'],
    auth: 'none',
    params: z.object({ id: z.string() }),
    query: z.object({ limit: z.coerce.number().int().max(100).default(20) }),
    responses: { 200: z.object({ limit: z.number() }) },
    handler: async ({ params, query }) => {
      if (params.id === 'missing') return { ok: false, refusal: { code: 'note_not_found' } };
      if (params.id === 'broken') throw new Error('secret internals');
      return { status: 200, body: { limit: query.limit } };
    },
  }),
  defineRoute({
    method: 'get',
    path: '/v1/notes/all',
    summary: 'All notes',
    tags: ['notes'],
    auth: 'none',
    responses: { 200: z.object({ all: z.boolean() }) },
    handler: async () => ({ status: 200, body: { all: true } }),
  }),
  defineRoute({
    method: 'delete',
    path: '/v1/notes/{id}',
    summary: 'Burn a note',
    tags: ['notes'],
    auth: 'account',
    params: z.object({ id: z.string() }),
    responses: { 204: null },
    handler: async () => ({ status: 204 }),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/slow',
    summary: 'Never answers in time',
    tags: ['notes'],
    auth: 'none',
    timeLimitMs: 50,
    responses: { 204: null },
    handler: async ({ signal }) => {
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
      return { status: 204 };
    },
  }),
];

const running: RunningServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});

async function serve(options: Partial<HttpAppOptions<Code>> = {}): Promise<string> {
  const app = createHttpApp<Code>({
    title: 'Notes',
    version: '1',
    description: 'For tests',
    routes,
    log: pino({ level: 'silent' }),
    health: {},
    checkAnswers: true,
    problemOf: ({ code }) => ({ status: 404, code }),
    authenticator: {
      account: async (token) =>
        token === 'ann'
          ? { ok: true, account: { id: ann } }
          : { ok: false, reason: token === 'old' ? 'expired' : 'invalid' },
      operator: async (token) => token === 'operator',
    },
    ...options,
  });
  const server = await listen(app, { port: 0, host: '127.0.0.1', drainLimitMs: 2_000 });
  running.push(server);
  return `http://127.0.0.1:${String(server.port)}`;
}

const asAnn = { authorization: 'Bearer ann', 'content-type': 'application/json' };
const post = (origin: string, body: string, headers: Record<string, string> = asAnn) =>
  fetch(`${origin}/v1/notes`, { method: 'POST', headers, body });
const problem = async (response: Response) => {
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  const body = (await response.json()) as { status: number; code: string; request_id: string; errors?: unknown };
  expect(body.status).toBe(response.status);
  expect(body.request_id).toBe(response.headers.get('x-request-id'));
  return body;
};

describe('an API', () => {
  it('answers a valid request, with security headers and the request id that the client chose', async () => {
    const origin = await serve();
    const response = await post(origin, '{"text":"hello"}', { ...asAnn, 'x-request-id': 'abc-1' });
    expect([response.status, await response.json()]).toEqual([201, { id: `${ann}/${ann}`, text: 'hello' }]);
    expect(response.headers.get('x-request-id')).toBe('abc-1');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('x-powered-by')).toBeNull();
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('replaces a request id that could forge log lines or headers', async () => {
    const origin = await serve();
    const response = await fetch(`${origin}/v1/notes/1`, { headers: { 'x-request-id': 'a b' } });
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('names each wrong field', async () => {
    const origin = await serve();
    const response = await post(origin, '{"text":"","tags":["ok","x"]}');
    expect((await problem(response)).errors).toEqual([
      expect.objectContaining({ path: 'text' }),
      expect.objectContaining({ path: 'tags.1' }),
    ]);
    expect((await problem(await fetch(`${origin}/v1/notes/1?limit=1000`))).errors).toEqual([
      expect.objectContaining({ path: 'query.limit' }),
    ]);
  });

  const bad: [what: string, answer: string, body: string, headers: Record<string, string>][] = [
    ['a body nested 50,000 levels deep', '400 json_too_deep', `${'['.repeat(50_000)}${']'.repeat(50_000)}`, asAnn],
    ['a text with a zero character', '400 validation_failed', '{"text":"a\\u0000b"}', asAnn],
    ['a text with half of a surrogate pair', '400 validation_failed', '{"text":"\\ud800"}', asAnn],
    [
      'JSON in another encoding than UTF-8',
      '415 unsupported_media_type',
      '{"text":"a"}',
      { ...asAnn, 'content-type': 'application/json; charset=utf-16le' },
    ],
    ['malformed JSON', '400 malformed_json', '{"text":', asAnn],
    ['a body of another type', '415 unsupported_media_type', 'text=1', { ...asAnn, 'content-type': 'text/plain' }],
    ['a body without a type', '415 unsupported_media_type', '{}', { ...asAnn, 'content-type': '' }],
    ['a body over 100 kB', '413 body_too_large', JSON.stringify({ text: 'x'.repeat(110_000) }), asAnn],
    ['no body where one is needed', '400 validation_failed', '', asAnn],
    ['no login', '401 unauthenticated', '{"text":"a"}', { 'content-type': 'application/json' }],
    ['a forged token', '401 unauthenticated', '{"text":"a"}', { ...asAnn, authorization: 'Bearer nobody' }],
    ['an old token', '401 token_expired', '{"text":"a"}', { ...asAnn, authorization: 'Bearer old' }],
  ];
  it.each(bad)('answers %s with %s', async (_what, answer, body, headers) => {
    const response = await post(await serve(), body, headers);
    expect(`${String(response.status)} ${(await problem(response)).code}`).toBe(answer);
  });

  it('tells an unknown address from an unknown method', async () => {
    const origin = await serve();
    expect((await problem(await fetch(`${origin}/v1/nothing`))).code).toBe('unknown_route');
    const response = await fetch(`${origin}/v1/notes/1`, { method: 'PUT' });
    expect((await problem(response)).code).toBe('method_not_allowed');
    expect(response.headers.get('allow')).toBe('GET, HEAD, DELETE, OPTIONS');
    expect((await problem(await fetch(`${origin}/v1/notes/%E0%A4%A`))).status).toBe(400);
    expect((await fetch(`${origin}/health/live`, { method: 'POST' })).headers.get('allow')).toBe('GET, HEAD, OPTIONS');
  });

  it('tells an unknown method from an address that another API of the same origin has, and names what that takes', async () => {
    const origin = await serve({
      contract: {
        '/v1/notes': ['get', 'post'],
        '/v1/notes/all': ['get'],
        '/v1/notes/{id}': ['get', 'delete'],
        '/v1/slow': ['get'],
        '/v1/elsewhere/{id}': ['put'],
      },
    });
    const allowed = async (path: string, method: string) => {
      const response = await fetch(origin + path, { method });
      return [response.status, response.headers.get('allow')];
    };
    expect(await allowed('/v1/elsewhere/1', 'PATCH')).toEqual([405, 'PUT, OPTIONS']);
    expect(await allowed('/v1/elsewhere/1', 'OPTIONS')).toEqual([204, 'PUT, OPTIONS']);
    expect(await allowed('/v1/notes', 'PROPFIND')).toEqual([405, 'GET, HEAD, POST, OPTIONS']);
    expect(await allowed('/v1/nowhere', 'PATCH')).toEqual([404, null]);
    await expect(serve({ contract: {} })).rejects.toThrow('not in the contract');
  });

  it('refuses what no store can hold wherever it stands, whatever the schema says', async () => {
    const origin = await serve();
    expect((await problem(await fetch(`${origin}/v1/notes/a%00b?limit=%00`))).errors).toEqual([
      expect.objectContaining({ path: 'path.id' }),
      expect.objectContaining({ path: 'query.limit' }),
    ]);
    expect((await problem(await post(origin, '{"text":"a","tags":["ok","\\u0000"]}'))).errors).toEqual([
      expect.objectContaining({ path: 'tags.1' }),
    ]);
  });

  it('complains of the first twenty fields alone', async () => {
    const { errors } = await problem(
      await post(await serve(), JSON.stringify({ text: 'a', tags: Array.from({ length: 10_000 }, () => 1) })),
    );
    expect(errors).toHaveLength(20);
  });

  it('prefers a fixed path to one with a parameter', async () => {
    expect(await (await fetch(`${await serve()}/v1/notes/all`)).json()).toEqual({ all: true });
  });

  it('maps a refusal through the app and keeps the internals of a failure to itself', async () => {
    const origin = await serve();
    expect((await problem(await fetch(`${origin}/v1/notes/missing`))).code).toBe('note_not_found');
    const response = await fetch(`${origin}/v1/notes/broken`);
    expect(response.status).toBe(500);
    expect(JSON.stringify(await problem(response))).not.toContain('secret');
  });

  it('gives up on a handler that takes too long', async () => {
    expect((await problem(await fetch(`${await serve()}/v1/slow`))).code).toBe('timed_out');
  });

  it('limits a caller, and never an operator', async () => {
    const origin = await serve({
      rateLimiter: {
        take: async () => ({ allowed: false, limit: 5, remaining: 0, resetSeconds: 60, retryAfterSeconds: 12 }),
      },
    });
    const response = await fetch(`${origin}/v1/notes/1`);
    expect((await problem(response)).code).toBe('rate_limited');
    expect([
      response.headers.get('retry-after'),
      response.headers.get('x-ratelimit-limit'),
      response.headers.get('x-ratelimit-remaining'),
    ]).toEqual(['12', '5', '0']);
    expect((await fetch(`${origin}/v1/notes/1`, { headers: { 'x-operator-token': 'operator' } })).status).toBe(200);
    expect((await fetch(`${origin}/v1/notes/1`, { headers: { 'x-operator-token': 'forged' } })).status).toBe(429);
  });

  it('answers pages of listed origins only', async () => {
    const origin = await serve({ corsOrigins: ['https://app.example'] });
    const allowed = await fetch(`${origin}/v1/notes/1`, { headers: { origin: 'https://app.example' } });
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example');
    const other = await fetch(`${origin}/v1/notes/1`, { headers: { origin: 'https://evil.example' } });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('health, metrics and docs', () => {
  it('is ready when every dependency answers, and says which does not', async () => {
    const origin = await serve({
      health: {
        store: async () => true,
        cache: async () => {
          throw new Error('secret address');
        },
      },
    });
    expect((await fetch(`${origin}/health/live`)).status).toBe(200);
    const response = await fetch(`${origin}/health/ready`);
    expect([response.status, await response.json()]).toEqual([
      503,
      { status: 'unavailable', checks: { store: 'ok', cache: 'failed' } },
    ]);
  });

  it('does not wait for a dependency that hangs', async () => {
    const origin = await serve({ health: { stuck: () => new Promise(() => undefined) } });
    expect(await (await fetch(`${origin}/health/ready`)).json()).toMatchObject({ checks: { stuck: 'timed_out' } });
  });

  it('describes the routes by the schemas that validate them', async () => {
    const document = (await (await fetch(`${await serve()}/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<string, Record<string, { requestBody?: unknown; security?: unknown }>>;
    };
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toEqual(['/v1/notes', '/v1/notes/{id}', '/v1/notes/all', '/v1/slow']);
    expect(document.paths['/v1/notes']?.['post']?.requestBody).toMatchObject({
      required: true,
      content: { 'application/json': { schema: { properties: { text: { maxLength: 10 } } } } },
    });
    expect(JSON.stringify(document.paths['/v1/notes'])).toContain('"pattern":"^[\\\\x21-\\\\x7e]{1,200}$"');
    expect(document.paths['/v1/notes']?.['post']?.security).toEqual([{ accessToken: [] }]);
  });

  it('serves the reference page and all its parts itself', async () => {
    const origin = await serve();
    const html = await (await fetch(`${origin}/docs`)).text();
    const parts = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address ?? '');
    expect(parts.length).toBeGreaterThan(3);
    for (const part of parts) expect([part, (await fetch(origin + part)).status]).toEqual([part, 200]);
  });
});

describe('closing', () => {
  it('lets a running request end and closes keep-alive connections', async () => {
    const started = Promise.withResolvers<undefined>();
    const gate = Promise.withResolvers<undefined>();
    const waiting = defineRoute({
      method: 'get',
      path: '/v1/waiting',
      summary: 'Waits',
      tags: ['notes'],
      auth: 'none',
      responses: { 204: null },
      handler: async () => {
        started.resolve(undefined);
        await gate.promise;
        return { status: 204 };
      },
    });
    const origin = await serve({ routes: [waiting] });
    const idle = createConnection(Number(new URL(origin).port), '127.0.0.1');
    idle.write('GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n');
    await new Promise((resolve) => {
      idle.once('data', resolve);
    });
    const ended = new Promise((resolve) => {
      idle.once('close', resolve);
    });
    const answer = fetch(`${origin}/v1/waiting`);
    await started.promise;
    const closed = running[0]!.close();
    await ended;
    gate.resolve(undefined);
    expect((await answer).status).toBe(204);
    await closed;
    await expect(fetch(`${origin}/health/live`)).rejects.toThrow();
  });

  it('names a taken port', async () => {
    const origin = await serve();
    const port = Number(new URL(origin).port);
    await expect(listen(() => undefined, { port, host: '127.0.0.1' })).rejects.toThrow(`port ${String(port)} is taken`);
  });
});
