import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ChecksumMismatch, IMMUTABLE_CACHE_CONTROL } from '../infra/object-store/object-store.ts';
import type { ByteRange, ListedObject, ObjectStore } from '../infra/object-store/object-store.ts';

interface Subject {
  readonly store: ObjectStore;
  close(): Promise<void>;
}

const png = { contentType: 'image/png' };

/**
 * The promises of the ObjectStore port, for every adapter: call it inside a test file with a way to open an empty
 * store.
 */
export function describeObjectStore(name: string, open: () => Promise<Subject>): void {
  describe(`object store: ${name}`, () => {
    let subject: Subject;
    let store: ObjectStore;
    beforeAll(async () => {
      subject = await open();
      ({ store } = subject);
    });
    afterAll(() => subject.close());

    describeObjects(() => store);
    describeListing(() => store);
    describeUploads(() => store);
    describeDownloads(() => store);
  });
}

function describeObjects(store: () => ObjectStore): void {
  test('gives back the bytes and facts that were put', async () => {
    const bytes = Buffer.from('some picture');
    const put = await store().put('put/a.png', bytes, png);
    expect(put).toMatchObject({
      key: 'put/a.png',
      size: bytes.length,
      contentType: 'image/png',
      cacheControl: IMMUTABLE_CACHE_CONTROL,
      checksumSha256: sha256(bytes),
    });
    expect(await store().head('put/a.png')).toMatchObject({
      size: bytes.length,
      contentType: 'image/png',
      cacheControl: IMMUTABLE_CACHE_CONTROL,
      checksumSha256: sha256(bytes),
      etag: put.etag,
    });
    expect(await read(store(), 'put/a.png')).toEqual(bytes);
  });

  test('takes a file as the source', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'object-store-'));
    await writeFile(join(dir, 'source'), 'from a file');
    await store().put('put/file.png', { path: join(dir, 'source') }, png);
    expect((await read(store(), 'put/file.png')).toString()).toBe('from a file');
    await rm(dir, { recursive: true });
  });

  test('holds an empty object', async () => {
    await store().put('put/empty', new Uint8Array(), {
      contentType: 'application/octet-stream',
      cacheControl: 'no-store',
    });
    expect(await store().head('put/empty')).toMatchObject({ size: 0, cacheControl: 'no-store' });
    expect(await read(store(), 'put/empty')).toHaveLength(0);
  });

  test('holds an object beside others that have its key as their folder', async () => {
    await store().put('tree/x.webp', Buffer.from('leaf'), png);
    await store().put('tree/x/y.webp', Buffer.from('deeper'), png);
    expect((await read(store(), 'tree/x.webp')).toString()).toBe('leaf');
    expect((await read(store(), 'tree/x/y.webp')).toString()).toBe('deeper');
  });

  test('replaces an object', async () => {
    await store().put('put/again', Buffer.from('first, and longer'), png);
    await store().put('put/again', Buffer.from('second'), { contentType: 'image/webp' });
    expect((await read(store(), 'put/again')).toString()).toBe('second');
    expect(await store().head('put/again')).toMatchObject({ contentType: 'image/webp', size: 6 });
  });

  test('refuses bytes without the promised checksum and writes nothing', async () => {
    const put = store().put('put/changed', Buffer.from('changed'), {
      ...png,
      checksumSha256: sha256(Buffer.from('promised')),
    });
    await expect(put).rejects.toBeInstanceOf(ChecksumMismatch);
    expect(await store().head('put/changed')).toBeNull();
  });

  test.each<[ByteRange, string]>([
    [{ start: 0, end: 3 }, '0123'],
    [{ start: 4 }, '456789'],
    [{ start: 8, end: 99 }, '89'],
    [{ suffix: 2 }, '89'],
    [{ suffix: 99 }, '0123456789'],
  ])('reads the range %j', async (range, expected) => {
    await store().put('put/digits', Buffer.from('0123456789'), png);
    const found = await store().get('put/digits', range);
    if (!found.ok) throw new Error(found.code);
    expect((await buffer(found.body)).toString()).toBe(expected);
    expect({ size: found.info.size, length: found.end - found.start + 1 }).toEqual({
      size: 10,
      length: expected.length,
    });
  });

  test.each<ByteRange>([{ start: 10 }, { suffix: 0 }])('refuses the range %j behind the end', async (range) => {
    await store().put('put/digits', Buffer.from('0123456789'), png);
    expect(await store().get('put/digits', range)).toEqual({ ok: false, code: 'range_unsatisfiable' });
  });

  test('says that an object is missing', async () => {
    expect(await store().head('no/such')).toBeNull();
    expect(await store().get('no/such')).toEqual({ ok: false, code: 'object_missing' });
  });

  test('deletes an object, and one that is not there', async () => {
    await store().put('put/gone', Buffer.from('x'), png);
    await store().delete('put/gone');
    await store().delete('put/gone');
    expect(await store().head('put/gone')).toBeNull();
  });

  test.each(['', '/a', 'a/', 'a//b', '../a', 'a/../b', './a', 'a b', 'a~', 'ä', 'a\\b', 'x'.repeat(513)])(
    'refuses the key %j',
    async (key) => {
      await expect(async () => store().put(key, Buffer.from('x'), png)).rejects.toThrow(TypeError);
      await expect(async () =>
        store().presignUpload({ key, contentType: 'image/png', size: 1, expiresInSeconds: 60 }),
      ).rejects.toThrow(TypeError);
    },
  );
}

function describeListing(store: () => ObjectStore): void {
  test('lists by prefix in key order, from a given key on', async () => {
    const keys = ['list/a-1', 'list/a.c', 'list/a/b', 'list/a/c.d', 'list/b'];
    for (const key of [...keys, 'lists', 'lis']) await store().put(key, Buffer.from(key), png);
    const all = await collect(store().list('list/'));
    expect(all.map(({ key }) => key)).toEqual(keys);
    expect(all[0]).toMatchObject({ size: 8 });
    expect((await collect(store().list('list/a/'))).map(({ key }) => key)).toEqual(['list/a/b', 'list/a/c.d']);
    expect((await collect(store().list('list/', 'list/a/b'))).map(({ key }) => key)).toEqual(['list/a/c.d', 'list/b']);
    expect(await collect(store().list('nothing/'))).toEqual([]);
  });
}

function describeUploads(store: () => ObjectStore): void {
  const bytes = Buffer.from('the promised bytes');
  const open = { contentType: 'image/png', size: bytes.length, expiresInSeconds: 60 };
  const promised = { ...open, checksumSha256: sha256(bytes) };

  test('takes a signed upload as promised', async () => {
    const grant = await store().presignUpload({ ...promised, key: 'up/ok' });
    expect(await upload(grant, bytes)).toBeLessThan(300);
    expect(await store().head('up/ok')).toMatchObject({
      size: bytes.length,
      contentType: 'image/png',
      checksumSha256: sha256(bytes),
    });
    expect(await read(store(), 'up/ok')).toEqual(bytes);
  });

  test('takes a signed upload without a checksum', async () => {
    const grant = await store().presignUpload({ ...open, key: 'up/open' });
    expect(await upload(grant, bytes)).toBeLessThan(300);
    expect(await read(store(), 'up/open')).toEqual(bytes);
  });

  test('refuses a second upload with the same grant', async () => {
    const grant = await store().presignUpload({ ...open, key: 'up/replay' });
    await upload(grant, bytes);
    expect(await upload(grant, Buffer.from('another 18 bytes..'))).toBeGreaterThanOrEqual(400);
    expect(await read(store(), 'up/replay')).toEqual(bytes);
  });

  test.each([
    ['other bytes of the same size', Buffer.from('THE PROMISED BYTES'), {}],
    ['fewer bytes', bytes.subarray(1), {}],
    ['more bytes', Buffer.concat([bytes, bytes]), {}],
    ['another type', bytes, { 'content-type': 'text/html' }],
  ])('refuses %s and keeps nothing', async (what, body, headers) => {
    const key = `up/${what.replaceAll(' ', '-')}`;
    const grant = await store().presignUpload({ ...promised, key });
    expect(await upload({ ...grant, headers: { ...grant.headers, ...headers } }, body)).toBeGreaterThanOrEqual(400);
    expect(await store().head(key)).toBeNull();
  });

  test('refuses an upload to another key than the signed one', async () => {
    const grant = await store().presignUpload({ ...promised, key: 'up/mine' });
    expect(await upload({ ...grant, url: grant.url.replace('up/mine', 'up/theirs') }, bytes)).toBeGreaterThanOrEqual(
      400,
    );
    expect(await store().head('up/theirs')).toBeNull();
  });

  test('refuses an expired upload', async () => {
    const grant = await store().presignUpload({ ...promised, key: 'up/late', expiresInSeconds: 1 });
    await expect.poll(() => Date.now(), { timeout: 5_000 }).toBeGreaterThan(grant.expiresAt.getTime() + 1_000);
    expect(await upload(grant, bytes)).toBeGreaterThanOrEqual(400);
    expect(await store().head('up/late')).toBeNull();
  });
}

function describeDownloads(store: () => ObjectStore): void {
  test('serves a signed download, and neither an unsigned nor an altered one', async () => {
    await store().put('down/a', Buffer.from('private'), png);
    await store().put('down/b', Buffer.from('more private'), png);
    const { url } = await store().presignDownload('down/a', 60);
    const answer = await fetch(url);
    expect(await answer.text()).toBe('private');
    expect(answer.headers.get('content-type')).toBe('image/png');
    for (const other of [url.split('?')[0] ?? '', url.replace('down/a', 'down/b')]) {
      expect((await fetch(other)).status).toBeGreaterThanOrEqual(400);
    }
  });

  test('refuses an expired download', async () => {
    await store().put('down/late', Buffer.from('private'), png);
    const grant = await store().presignDownload('down/late', 1);
    await expect.poll(() => Date.now(), { timeout: 5_000 }).toBeGreaterThan(grant.expiresAt.getTime() + 1_000);
    expect((await fetch(grant.url)).status).toBeGreaterThanOrEqual(400);
  });
}

async function upload(
  grant: { url: string; method: string; headers: Readonly<Record<string, string>> },
  body: Buffer,
): Promise<number> {
  const answer = await fetch(grant.url, { method: grant.method, headers: grant.headers, body: new Uint8Array(body) });
  await answer.arrayBuffer();
  return answer.status;
}

async function collect(listing: AsyncIterable<ListedObject>): Promise<ListedObject[]> {
  const all: ListedObject[] = [];
  for await (const listed of listing) all.push(listed);
  return all;
}

async function read(store: ObjectStore, key: string): Promise<Buffer> {
  const found = await store.get(key);
  if (!found.ok) throw new Error(`${key}: ${found.code}`);
  return buffer(found.body);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
