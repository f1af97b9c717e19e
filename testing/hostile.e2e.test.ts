import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from './http.ts';
import { attackOnce, openStalled } from './hostile-client.ts';
import { openRaw } from './raw-http.ts';
import type { TestStack } from './stack.ts';
import { startWorld, type World } from './world.ts';

// Some seconds by default; HOSTILE_SECONDS=300 goes on for minutes.
const SECONDS = Number(process.env['HOSTILE_SECONDS'] ?? 0);
const ROUNDS = 6;
const STALLED_EACH = 20;

let world: World;
let stack: TestStack;
beforeAll(async () => {
  world = await startWorld();
  stack = world.stack;
});
afterAll(async () => {
  await world.stop();
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
      const parts = ['edge', 'write-api', 'read-api', 'projector', 'reactor', 'event-store'] as const;
      const errors = (part: (typeof parts)[number]) =>
        stack.lastLines(part).filter((line) => /"level":[56]0/.test(line));
      const earlier = new Set(parts.flatMap(errors));
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
      for (const part of parts)
        expect(
          errors(part).filter((line) => !earlier.has(line)),
          part,
        ).toEqual([]);
    },
  );

  it('keeps others from writing with 2,000 bodies that do not come, nor is told that it is our fault', async () => {
    const [ann, ben] = [await world.person(), await world.person()];
    const port = portOf(stack.edgeUrl);
    const opening = Array.from({ length: 2_000 }, async (_, i) => {
      const socket = await openRaw(port, `127.0.0.${(i % 4) + 2}`);
      socket.write(
        'POST /v1/users/login HTTP/1.1\r\nhost: edge\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{',
      );
      return socket;
    });
    const slow = await Promise.all(opening);
    for (let i = 0; i < 100; i += 1) {
      const follows =
        i % 2 === 0
          ? await ann.post(`/v1/users/${ben.username}/follow`)
          : await ann.delete(`/v1/users/${ben.username}/follow`);
      expect(follows.status).toBe(200);
    }
    expect(slow.filter((socket) => socket.closed)).toEqual([]);
    for (const socket of slow) socket.destroy();
    for (const part of ['edge', 'write-api'] as const)
      expect(
        stack.lastLines(part).filter((line) => /"level":[56]0/.test(line)),
        part,
      ).toEqual([]);
  });

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
