import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRaw, sendThenRead, statusOf } from '../testing/raw-http.ts';
import { problemHandler } from '../infra/http/problem.ts';
import { listen, type RunningServer } from '../infra/http/server.ts';
import { createLog } from '../infra/process/log.ts';
import { createFsObjectStore, type FsObjectStore } from '../infra/object-store/object-store-fs.ts';
import { uploadHandler } from './upload-handler.ts';

const TYPE = 'image/jpeg';
/** More than the buffers of both sides hold: it is still on its way when a refusal comes. */
const SIZE = 8_000_000;
let dir = '';
let store: FsObjectStore;
let server: RunningServer;
let failures = 0;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'shutterlog-uploads-'));
  store = createFsObjectStore({ dir, secret: 's'.repeat(32), uploadBaseUrl: '/upload', downloadBaseUrl: '/media' });
  const app = express();
  app.use(
    uploadHandler(store),
    problemHandler(createLog({ process: 'test', level: 'silent' }), () => {
      failures += 1;
      return undefined;
    }),
  );
  server = await listen(app, { port: 0, host: '127.0.0.1' });
});
afterAll(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('a refused upload', () => {
  const refusals: [string, number, (address: string) => Promise<string> | string, string, number][] = [
    ['a forged signature', 403, (address) => `${address}0`, TYPE, SIZE],
    ['another type', 415, (address) => address, 'image/png', SIZE],
    ['more bytes than promised', 422, (address) => address, TYPE, 2 * SIZE],
    [
      'a spent address',
      409,
      async (address) => {
        expect(statusOf(await upload(address, TYPE, SIZE))).toBe(200);
        return address;
      },
      TYPE,
      SIZE,
    ],
  ];
  it.each(refusals)(
    'for %s is told %i, each of many times, though its body is still on its way',
    async (_case, status, prepare, ...sent) => {
      const { url } = await store.presignUpload({
        key: `uploads/${String(status)}.jpg`,
        contentType: TYPE,
        size: SIZE,
        expiresInSeconds: 60,
      });
      const address = await prepare(url);
      for (let round = 0; round < 5; round += 1) {
        const answers = await Promise.all(Array.from({ length: 5 }, () => upload(address, ...sent)));
        expect(answers.map(statusOf)).toEqual(answers.map(() => status));
      }
    },
  );

  it('is no failure of ours when its client leaves half-way', async () => {
    const { url } = await store.presignUpload({
      key: 'uploads/left.jpg',
      contentType: TYPE,
      size: SIZE,
      expiresInSeconds: 60,
    });
    const socket = await openRaw(server.port);
    socket.write(
      `PUT ${url} HTTP/1.1\r\nhost: api\r\ncontent-type: ${TYPE}\r\ncontent-length: ${SIZE}\r\n\r\nhalf`,
      () => {
        socket.resetAndDestroy();
      },
    );
    await expect
      .poll(
        () =>
          new Promise<number>((resolve) => {
            server.server.getConnections((_error, count) => {
              resolve(count);
            });
          }),
      )
      .toBe(0);
    expect(statusOf(await upload(url, TYPE, SIZE))).toBe(200);
    expect(failures).toBe(0);
  });
});

function upload(address: string, type: string, size: number): Promise<string> {
  return sendThenRead(
    server.port,
    `PUT ${address} HTTP/1.1\r\nhost: api\r\nconnection: close\r\ncontent-type: ${type}\r\ncontent-length: ${size}\r\n\r\n`,
    Buffer.alloc(size),
  );
}
