import type { RequestListener } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { listen, type RunningServer } from '../../infra/http/server.ts';
import { createApiClient, type ApiClientOptions } from './api-client.ts';

let server: RunningServer | undefined;
afterEach(() => server?.close());

/** A client of a server that answers each request with the next of these. */
async function clientOf(
  answers: readonly { status: number; body?: unknown }[],
  options: Partial<ApiClientOptions> = {},
) {
  const left = [...answers];
  const app: RequestListener = (request, response) => {
    request.resume();
    const { status, body } = left.shift() ?? { status: 500 };
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(body === undefined ? undefined : JSON.stringify(body));
  };
  server = await listen(app, { port: 0, host: '127.0.0.1' });
  return createApiClient(`http://127.0.0.1:${String(server.port)}`, {
    operatorToken: () => Promise.resolve('token'),
    ...options,
  });
}

const request = { method: 'POST', path: '/v1/things', body: { name: 'ö' }, idempotencyKey: 'k' } as const;

describe('the client of an import', () => {
  it('gives the body of a success, and nothing for an empty one', async () => {
    const client = await clientOf([{ status: 201, body: { id: 1 } }, { status: 204 }]);
    expect(await client.send(request)).toEqual({ id: 1 });
    expect(await client.send(request)).toBeUndefined();
  });

  it('repeats what passes by itself: overload, a restart, a first request that still runs', async () => {
    const client = await clientOf([
      { status: 503 },
      { status: 409, body: { code: 'request_in_flight' } },
      { status: 409, body: { code: 'busy' } },
      { status: 200, body: 'done' },
    ]);
    expect(await client.send(request)).toBe('done');
  });

  it('tells what a server said that stays away for longer than its patience, and stops waiting when told to', async () => {
    const client = await clientOf(
      [{ status: 503, body: { code: 'unavailable', title: 'A store cannot be reached' } }],
      { patienceMs: -1 },
    );
    await expect(client.send(request)).rejects.toThrow('answered 503: A store cannot be reached');
    const interrupted = new AbortController();
    const waiting = (
      await clientOf(
        Array.from({ length: 100 }, () => ({ status: 503 })),
        { signal: interrupted.signal },
      )
    ).send(request);
    interrupted.abort();
    await expect(waiting).rejects.toThrow(/aborted/);
  });

  it('says what the API refused, field by field', async () => {
    const client = await clientOf([
      {
        status: 400,
        body: {
          code: 'validation_failed',
          title: 'It does not fit',
          errors: [{ path: 'username', message: 'is too short' }],
        },
      },
      { status: 409, body: { code: 'username_taken' } },
    ]);
    await expect(client.send(request)).rejects.toThrow(
      'POST /v1/things answered 400: It does not fit (username: is too short)',
    );
    await expect(client.send(request)).rejects.toMatchObject({ status: 409, code: 'username_taken' });
  });
});
