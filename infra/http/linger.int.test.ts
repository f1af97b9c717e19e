import { createServer, type RequestListener, type Server } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { openRaw, sendThenRead, statusOf } from '../../testing/raw-http.ts';
import { lingerAfterAnswers, type LingerLimits } from './linger.ts';
import { bound } from './server.ts';

/** More than the buffers of both sides hold: it is still on its way when the answer comes. */
const BODY = Buffer.alloc(8_000_000);

let server: Server | undefined;
afterEach(() => {
  server?.close();
  server?.closeAllConnections();
});

const refuse: RequestListener = (_request, response) => {
  response.writeHead(403).end('no');
};

describe('an answer before the end of its request', () => {
  it.each(['connection: close\r\n', ''])(
    'arrives each of many times, and the connection goes on as agreed (%j)',
    async (connection) => {
      const port = await serve(refuse);
      for (let round = 0; round < 10; round += 1) {
        const answers = await Promise.all(
          Array.from({ length: 5 }, async () => {
            const first = `PUT /a HTTP/1.1\r\nhost: a\r\n${connection}content-length: ${String(BODY.length)}\r\n\r\n`;
            return sendThenRead(
              port,
              first,
              BODY,
              connection === '' ? 'GET /b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n' : '',
            );
          }),
        );
        expect(answers.map(statusOf)).toEqual(answers.map(() => 403));
        if (connection === '') expect(answers[0]?.match(/HTTP\/1\.1 403/g)).toHaveLength(2);
      }
    },
  );

  it('is read by a client that sends for as long as nobody stops it; then the connection is closed', async () => {
    const port = await serve(refuse, { forMs: 60_000, bytes: 500_000 });
    const socket = await openRaw(port);
    socket.write('PUT /a HTTP/1.1\r\nhost: a\r\ncontent-length: 900000000\r\n\r\n');
    const [answer] = await once(socket, 'data');
    expect(statusOf(String(answer))).toBe(403);
    const chunk = Buffer.alloc(65_536);
    const more = () => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', more);
    const closed = new Promise((resolve) => {
      socket.once('close', resolve);
    });
    more();
    await closed;
    expect(socket.bytesWritten).toBeGreaterThan(500_000);
  });

  it('is not waited for by a client that stays silent', async () => {
    const port = await serve(refuse, { forMs: 100, bytes: 500_000 });
    const socket = await openRaw(port);
    socket.write('PUT /a HTTP/1.1\r\nhost: a\r\ncontent-length: 900\r\n\r\nx');
    expect(statusOf(await text(socket).catch(() => 'reset'))).toBe(403);
  });
});

async function serve(app: RequestListener, limits?: LingerLimits): Promise<number> {
  server = createServer(app);
  lingerAfterAnswers(server, limits);
  await bound(server, { port: 0, host: '127.0.0.1' });
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}
