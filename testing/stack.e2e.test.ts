import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { CONTRACT_METHODS } from '../infra/http/contract-methods.ts';
import { send } from './http.ts';
import { startStack, type TestStack } from './stack.ts';

const OpenApi = z.object({
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
  components: z.record(z.string(), z.unknown()),
});

let stack: TestStack;
beforeAll(async () => {
  stack = await startStack({ env: { LIMIT_REQUESTS_PER_HOUR: '2' } });
});
afterAll(async () => {
  await stack.stop();
});

describe('a whole stack for tests', () => {
  it('answers health on every process', async () => {
    for (const url of [stack.edgeUrl, stack.writeUrl, stack.readUrl, stack.projectorUrl, stack.reactorUrl]) {
      expect((await send(`${url}/health/ready`)).status, url).toBe(200);
    }
  });

  it('describes under its one origin what both APIs do', async () => {
    const documentOf = async (url: string) => OpenApi.parse((await send(`${url}/openapi.json`)).body);
    const [whole, writes, reads] = [
      await documentOf(stack.edgeUrl),
      await documentOf(stack.writeUrl),
      await documentOf(stack.readUrl),
    ];
    for (const part of [writes, reads]) {
      for (const [path, operations] of Object.entries(part.paths))
        expect(whole.paths[path], path).toMatchObject(operations);
      expect(whole.components).toMatchObject(part.components);
    }
    expect(Object.keys(whole.paths['/v1/posts/{id}'] ?? {}).toSorted()).toEqual(['delete', 'get', 'put']);
    const methods = (of: Readonly<Record<string, object | readonly string[]>>) =>
      Object.entries(of)
        .map(([path, taken]) => [path, (Array.isArray(taken) ? taken : Object.keys(taken)).toSorted()])
        .toSorted();
    expect(methods(whole.paths)).toEqual(methods(CONTRACT_METHODS));
  });

  it('names at either API, and at the edge, what both take at an address', async () => {
    for (const url of [stack.edgeUrl, stack.writeUrl, stack.readUrl]) {
      const { status, headers } = await send(`${url}/v1/posts/x`, { method: 'PATCH' });
      expect([status, headers.get('allow')], url).toEqual([405, 'GET, HEAD, DELETE, PUT, OPTIONS']);
    }
    expect((await send(`${stack.edgeUrl}/v1/feed`, { method: 'DELETE' })).status).toBe(405);
  });

  it('limits by the settings', async () => {
    const register = () => send(`${stack.writeUrl}/v1/users/register`, { json: {} });
    const answers = [await register(), await register(), await register()];
    expect(answers.map(({ status, headers }) => [status, headers.get('x-ratelimit-limit')])).toEqual([
      [400, '2'],
      [400, '2'],
      [429, '2'],
    ]);
  });

  it('survives the loss of one part and takes it back', async () => {
    await stack.kill('read-api');
    expect((await send(`${stack.edgeUrl}/health/ready`)).status).toBe(502);
    expect((await send(`${stack.writeUrl}/health/ready`)).status).toBe(200);
    await stack.start('read-api');
    expect((await send(`${stack.edgeUrl}/health/ready`)).status).toBe(200);
  });

  it('keeps metrics away from the edge, and off no process', async () => {
    expect((await send(`${stack.edgeUrl}/metrics`)).status).toBe(404);
    for (const url of [stack.writeUrl, stack.readUrl, stack.projectorUrl, stack.reactorUrl]) {
      expect((await send(`${url}/metrics`)).status, url).toBe(200);
    }
  });
});
