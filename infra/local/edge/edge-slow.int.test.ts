import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { send } from '../../../testing/http.ts';
import { exchangeRaw, openRaw, statusOf } from '../../../testing/raw-http.ts';
import { lingerAfterAnswers } from '../../http/linger.ts';
import { bound } from '../../http/server.ts';
import { startEdge, type EdgeLimits } from './edge.ts';

const releases: (() => Promise<void> | void)[] = [];
let spoolDir = '';
beforeEach(() => {
  spoolDir = mkdtempSync(join(tmpdir(), 'shutterlog-spool-'));
  releases.push(() => {
    rmSync(spoolDir, { recursive: true, force: true });
  });
});
afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

const HALF = 'POST /v1/posts/1/like HTTP/1.1\r\nhost: edge\r\ncontent-length: 1000\r\n\r\n{';

describe('slow clients at the edge', () => {
  it('whose body does not come get 408, and the API never hears of them', async () => {
    const { port, asked } = await edge({ patienceMs: 200 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => exchangeRaw(port, HALF)));
    expect(new Set(answers.map(statusOf))).toEqual(new Set([408]));
    expect(answers[0]).toContain('"code":"body_too_late"');
    expect(asked).toEqual([]);
  });

  it('whose body drips get 408 as well', async () => {
    const { port, asked } = await edge({ patienceMs: 300, bytesPerSecond: 1_000 });
    const socket = await openRaw(port);
    socket.write('POST /v1/posts HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n');
    const dripping = setInterval(() => socket.write('1\r\nx\r\n'), 20);
    const answer = await text(socket);
    clearInterval(dripping);
    socket.destroy();
    expect(statusOf(answer)).toBe(408);
    expect(asked).toEqual([]);
  });

  it('keep no connection busy after their 408 that another could need', async () => {
    const { port } = await edge({ perAddress: 3, patienceMs: 50 });
    const sockets = await Promise.all(Array.from({ length: 3 }, () => openRaw(port)));
    const ends = sockets.map(
      (socket) =>
        new Promise((resolve) => {
          socket.once('close', resolve);
        }),
    );
    for (const socket of sockets) {
      socket.write(HALF);
      expect(statusOf(await text(socket))).toBe(408);
    }
    const others = await Promise.all(Array.from({ length: 3 }, () => openRaw(port)));
    // Only who says something more learns that nobody is there.
    const nudging = setInterval(() => {
      for (const socket of sockets) socket.write('x');
    }, 20);
    await Promise.all(ends);
    clearInterval(nudging);
    for (const socket of others) socket.destroy();
  });

  it('are let go one by one when one address has too many, the longest silent first, and others are answered', async () => {
    const { port, asked } = await edge({ perAddress: 5 });
    const silent: Socket[] = [];
    for (let i = 0; i < 8; i += 1) {
      const socket = await openRaw(port);
      socket.write(i % 2 === 0 ? HALF : 'GET /v1/feed HTTP/1.1\r\nhost: ed');
      silent.push(socket);
    }
    expect((await send(`http://127.0.0.1:${port}/v1/posts/1/like`, { method: 'POST', json: {} })).status).toBe(200);
    const let_go = await Promise.all(silent.slice(0, 4).map((socket) => text(socket)));
    expect(let_go.map(statusOf)).toEqual([408, 408, 408, 408]);
    expect(silent.slice(4).map((socket) => socket.readableEnded)).toEqual([false, false, false, false]);
    expect(asked).toEqual(['POST /v1/posts/1/like']);
    for (const socket of silent) socket.destroy();
  });

  it('are not those whose request is being answered, however long that takes', async () => {
    let answer: () => void = () => undefined;
    const { port } = await edge({ perAddress: 2 }, (_request, response) => {
      answer = () => {
        response.end('late but right');
      };
    });
    const waiting = fetch(`http://127.0.0.1:${port}/v1/feed`);
    await expect.poll(() => answer.toString()).toContain('late but right');
    const others = await Promise.all(Array.from({ length: 6 }, () => openRaw(port)));
    await Promise.all(others.slice(0, 3).map((socket) => text(socket)));
    answer();
    expect(await (await waiting).text()).toBe('late but right');
    for (const socket of others) socket.destroy();
  });
});

describe('bodies at the edge', () => {
  it('arrive whole with their length, whether they stay in memory or wait in a file, which is gone at once', async () => {
    const { port } = await edge({ memoryBytes: 1_000 }, (request, response) => {
      const seen: Buffer[] = [];
      request
        .on('data', (chunk: Buffer) => seen.push(chunk))
        .once('end', () => {
          response.end(`${request.headers['content-length']} ${Buffer.concat(seen).toString()}`);
        });
    });
    for (const size of [1, 999, 1_000, 1_001, 300_000]) {
      const body = 'abcdefghij'.repeat(size / 10 + 1).slice(0, size);
      const chunked = `POST /v1/posts HTTP/1.1\r\nhost: edge\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n${size.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
      expect((await send(`http://127.0.0.1:${port}/v1/posts`, { body })).body).toBe(`${size} ${body}`);
      expect(await exchangeRaw(port, chunked)).toContain(`${size} ${body.slice(0, 500)}`);
    }
    expect(readdirSync(spoolDir)).toEqual([]);
  });

  it('that are larger than anything the APIs take get 413, declared or not', async () => {
    const { port, asked } = await edge();
    const declared = await exchangeRaw(
      port,
      'POST /v1/users/login HTTP/1.1\r\nhost: edge\r\nconnection: close\r\ncontent-length: 1000001\r\n\r\n',
      Buffer.alloc(1_000_001),
    );
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const endless = await exchangeRaw(
      port,
      'POST /v1/users/login HTTP/1.1\r\nhost: edge\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n',
      chunk.repeat(17),
      '0\r\n\r\n',
    );
    expect([statusOf(declared), statusOf(endless)]).toEqual([413, 413]);
    expect(asked).toEqual([]);
  });

  it('get 503 when there is no room, and room is given back', async () => {
    const { port } = await edge({ memoryBytes: 1_000, spoolBytes: 100_000, spoolBytesPerAddress: 50_000 });
    const upload = (bytes: number) =>
      send(`http://127.0.0.1:${port}/upload/a`, { method: 'PUT', body: Buffer.alloc(bytes) }).then(
        ({ status }) => status,
      );
    expect(await upload(60_000)).toBe(503);
    for (let i = 0; i < 5; i += 1) expect(await upload(40_000)).toBe(200);
  });

  it('that an API refuses before it has read them have its refusal, each time', async () => {
    const { port } = await edge({}, (_request, response) => {
      response.writeHead(403).end('spent');
    });
    for (let round = 0; round < 50; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () =>
          send(`http://127.0.0.1:${port}/upload/spent`, { method: 'PUT', body: Buffer.alloc(150_000) }),
        ),
      );
      expect(answers.map(({ status, body }) => [status, body])).toEqual(answers.map(() => [403, 'spent']));
    }
  });
});

async function edge(
  limits: Partial<EdgeLimits> = {},
  api: RequestListener = (request, response) => {
    request.resume().once('end', () => {
      response.end('done');
    });
  },
): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    api(request, response);
  });
  lingerAfterAnswers(server);
  await bound(server, { host: '127.0.0.1', port: 0 });
  releases.push(() => {
    stop(server);
  });
  const origin = `http://127.0.0.1:${portOf(server)}`;
  const running = await startEdge({
    host: '127.0.0.1',
    port: 0,
    home: () => ({}),
    readApi: origin,
    writeApi: origin,
    spoolDir,
    limits,
  });
  releases.push(() => running.close());
  return { port: running.port, asked };
}

function stop(server: Server): void {
  server.close();
  server.closeAllConnections();
}

function portOf(server: Server): number {
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}
