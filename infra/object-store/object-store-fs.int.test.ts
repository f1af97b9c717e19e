import { createServer } from 'node:http';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFsObjectStore } from './object-store-fs.ts';
import type { FsObjectStore } from './object-store-fs.ts';
import { describeObjectStore } from '../../testing/object-store-contract.ts';

const secret = 'a signing secret for tests, long enough';

describeObjectStore('file system', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'object-store-fs-'));
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const base = `http://127.0.0.1:${String(typeof address === 'object' ? address?.port : address)}`;
  const store = createFsObjectStore({
    dir,
    secret,
    uploadBaseUrl: `${base}/up-route`,
    downloadBaseUrl: `${base}/down-route`,
  });
  return {
    store,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await rm(dir, { recursive: true });
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, search } = new URL(request.url ?? '/', 'http://store');
    const key = pathname.replace(/^\/(up|down)-route\//, '');
    if (request.method === 'PUT') {
      const outcome = await store.acceptUpload({
        key,
        search,
        contentType: request.headers['content-type'],
        body: request,
      });
      response.writeHead(outcome.ok ? 200 : 403).end();
      return;
    }
    if (!store.verifyDownload(key, search).ok) {
      response.writeHead(403).end();
      return;
    }
    const found = await store.get(key);
    if (!found.ok) throw new Error(found.code);
    response.writeHead(200, { 'content-type': found.info.contentType });
    await pipeline(found.body, response);
  }
});

describe('file system object store', () => {
  let dir: string;
  let store: FsObjectStore;
  const bytes = Buffer.from('twelve bytes');
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'object-store-fs-'));
    store = createFsObjectStore({ dir, secret, uploadBaseUrl: 'http://x/up', downloadBaseUrl: 'http://x/down' });
  });
  afterAll(() => rm(dir, { recursive: true }));

  async function incoming(key: string, body: Readable = Readable.from([bytes])) {
    const { url } = await store.presignUpload({
      key,
      contentType: 'image/png',
      size: bytes.length,
      expiresInSeconds: 60,
    });
    return { key, search: new URL(url).search, contentType: 'image/png', body };
  }

  test('names the reason of each refused upload', async () => {
    const fine = await incoming('why');
    expect(await store.acceptUpload({ ...fine, search: `${fine.search}x` })).toEqual({
      ok: false,
      code: 'signature_invalid',
    });
    expect(await store.acceptUpload({ ...fine, key: '../why' })).toEqual({ ok: false, code: 'signature_invalid' });
    expect(await store.acceptUpload({ ...fine, search: '' })).toEqual({ ok: false, code: 'signature_invalid' });
    expect(await store.acceptUpload({ ...fine, search: fine.search.replace('size=12', 'size=9999') })).toEqual({
      ok: false,
      code: 'signature_invalid',
    });
    expect(await store.acceptUpload({ ...fine, contentType: 'image/gif' })).toEqual({
      ok: false,
      code: 'upload_type_mismatch',
    });
    expect(await store.acceptUpload({ ...fine, contentType: undefined })).toEqual({
      ok: false,
      code: 'upload_type_mismatch',
    });
    expect(await store.acceptUpload({ ...fine, body: Readable.from(['short']) })).toEqual({
      ok: false,
      code: 'upload_size_mismatch',
    });
    expect(await store.acceptUpload(fine)).toMatchObject({ ok: true });
  });

  test('accepts one of many uploads that race with the same grant', async () => {
    const grant = await incoming('race');
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, () => store.acceptUpload({ ...grant, body: Readable.from([bytes]) })),
    );
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
    expect(await readdir(join(dir, 'incoming'))).toEqual([]);
    expect((await readdir(join(dir, 'objects'))).filter((name) => name.startsWith('race~'))).toHaveLength(2);
  });

  test('refuses a used grant after its object was deleted', async () => {
    const grant = await incoming('deleted');
    await store.acceptUpload(grant);
    await store.delete('deleted');
    expect(await store.acceptUpload({ ...grant, body: Readable.from([bytes]) })).toEqual({
      ok: false,
      code: 'upload_replayed',
    });
  });

  test('stops reading when more arrives than was promised', async () => {
    let sent = 0;
    async function* endless() {
      for (;;) {
        sent += 65_536;
        yield Buffer.alloc(65_536);
        await Promise.resolve();
      }
    }
    expect(await store.acceptUpload(await incoming('endless', Readable.from(endless())))).toEqual({
      ok: false,
      code: 'upload_size_mismatch',
    });
    expect(sent).toBeLessThan(10_000_000);
  });

  test('keeps nothing of an upload whose client goes away', async () => {
    async function* broken() {
      yield Buffer.from('half');
      await Promise.resolve();
      throw new Error('connection reset');
    }
    await expect(store.acceptUpload(await incoming('broken', Readable.from(broken())))).rejects.toThrow(
      'connection reset',
    );
    expect(await readdir(join(dir, 'incoming'))).toEqual([]);
    expect(await store.head('broken')).toBeNull();
  });

  test('serves whole objects while others replace them', async () => {
    await store.put('busy', Buffer.alloc(100_000, 'a'), { contentType: 'image/png' });
    const writes = (async () => {
      for (const letter of 'bcdefghijklmnopqrstuvwxyz')
        await store.put('busy', Buffer.alloc(100_000, letter), { contentType: 'image/png' });
    })();
    for (let i = 0; i < 50; i++) {
      const found = await store.get('busy');
      if (!found.ok) throw new Error(found.code);
      const read = await buffer(found.body);
      expect(read.equals(Buffer.alloc(100_000, read[0]))).toBe(true);
    }
    await writes;
    expect((await readdir(join(dir, 'objects'))).filter((name) => name.startsWith('busy~'))).toHaveLength(2);
  });

  test('holds an object whose key is the folder of others', async () => {
    await store.put('tree/x/y', Buffer.from('below'), { contentType: 'image/png' });
    await store.put('tree/x', Buffer.from('above'), { contentType: 'image/png' });
    const keys: string[] = [];
    for await (const { key } of store.list('tree/')) keys.push(key);
    expect(keys).toEqual(['tree/x', 'tree/x/y']);
    await store.delete('tree/x');
    expect(await store.head('tree/x/y')).toMatchObject({ size: 5 });
  });

  test('leaves no folder behind when its last object goes, and loses none that comes at that moment', async () => {
    const folders = async () => (await readdir(join(dir, 'objects'))).filter((name) => name === 'crowd');
    const names = Array.from({ length: 40 }, (_, index) => `crowd/one/${String(index)}`);
    await store.put('crowd/two/kept', bytes, { contentType: 'text/plain' });
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(
        names.map(async (key) => {
          await store.put(key, bytes, { contentType: 'text/plain' });
          await store.delete(key);
        }),
      );
      await store.put('crowd/one/last', bytes, { contentType: 'text/plain' });
      expect(await store.head('crowd/one/last')).not.toBeNull();
      await store.delete('crowd/one/last');
    }
    expect(await readdir(join(dir, 'objects', 'crowd'))).toEqual(['two']);
    await store.delete('crowd/two/kept');
    expect(await folders()).toEqual([]);
  });

  test('sweeps what a crash left behind, not what is under way', async () => {
    await store.acceptUpload(await incoming('swept'));
    expect(await store.sweep(new Date(Date.now() - 60_000))).toBe(0);
    expect(await store.sweep(new Date(Date.now() + 60_000))).toBeGreaterThan(0);
    expect(await store.head('swept')).not.toBeNull();
  });

  test('refuses a secret that is too short to sign with', () => {
    expect(() => createFsObjectStore({ dir, secret: 'short', uploadBaseUrl: '', downloadBaseUrl: '' })).toThrow(
      TypeError,
    );
  });
});
