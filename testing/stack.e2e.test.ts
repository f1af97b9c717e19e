import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from './http.ts';
import { startStack, type TestStack } from './stack.ts';

let stack: TestStack;
beforeAll(async () => { stack = await startStack(); });
afterAll(async () => { await stack.stop(); });

describe('a whole stack for tests', () => {
  it('answers health on every process', async () => {
    for (const url of [stack.edgeUrl, stack.writeUrl, stack.readUrl, stack.projectorUrl, stack.reactorUrl]) {
      expect((await send(`${url}/health/ready`)).status, url).toBe(200);
    }
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
