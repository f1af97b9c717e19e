import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from './http.ts';
import { attackOnce, openStalled } from './hostile-client.ts';
import { startStack, type TestStack } from './stack.ts';

// Some seconds by default; HOSTILE_SECONDS=300 goes on for minutes.
const SECONDS = Number(process.env['HOSTILE_SECONDS'] ?? 0);
const ROUNDS = 6;
const STALLED_EACH = 20;

let stack: TestStack;
beforeAll(async () => {
  stack = await startStack({ env: { RATE_LIMITS: 'off' } });
});
afterAll(async () => {
  await stack.stop();
});

describe('no client', () => {
  it(
    'ends a process: resets, half-closed and stalled connections at every port leave all of them as they were',
    { timeout: (SECONDS + 240) * 1_000 },
    async () => {
      const before = stack.pids();
      expect(Object.keys(before).toSorted()).toEqual([
        'edge',
        'event-store',
        'projector',
        'reactor',
        'read-api',
        'write-api',
      ]);
      const ports = [
        stack.edgeUrl,
        stack.writeUrl,
        stack.readUrl,
        stack.projectorUrl,
        stack.reactorUrl,
        stack.environment['EVENTSTORE_URL'] ?? '',
      ].map(portOf);
      const stalled: Socket[] = [];
      for (const port of ports) stalled.push(...(await openStalled(port, STALLED_EACH)));
      const until = Date.now() + SECONDS * 1_000;
      for (let round = 0; round < ROUNDS || Date.now() < until; round += 1) {
        await Promise.all(ports.map((port) => attackOnce(port, round % 2 === 0 ? '/v1/feed' : '/health/live')));
      }
      for (const socket of stalled) socket.resetAndDestroy();
      expect(stack.pids()).toEqual(before);
      for (const url of [stack.edgeUrl, stack.writeUrl, stack.readUrl, stack.projectorUrl, stack.reactorUrl])
        expect((await send(`${url}/health/ready`)).status, url).toBe(200);
      for (const part of ['edge', 'write-api', 'read-api', 'projector', 'reactor', 'event-store'] as const)
        expect(
          stack.lastLines(part).filter((line) => /"level":[56]0/.test(line)),
          part,
        ).toEqual([]);
    },
  );

  it('is told by any process what it is written with, and all say the same of what a browser must not do', async () => {
    for (const url of [stack.edgeUrl, stack.writeUrl, stack.readUrl, stack.projectorUrl, stack.reactorUrl]) {
      for (const path of ['/health/live', '/health/projections', '/nowhere']) {
        const { headers } = await send(url + path);
        expect([
          url,
          path,
          headers.get('x-powered-by'),
          headers.get('server'),
          headers.get('x-content-type-options'),
          headers.get('referrer-policy'),
        ]).toEqual([url, path, null, null, 'nosniff', 'no-referrer']);
        expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      }
    }
  });
});

function portOf(url: string): number {
  return Number(/:(\d+)(?:[/?]|$)/.exec(url)?.[1]);
}
