import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ChecksumMismatch } from './object-store.ts';
import type { ObjectStore } from './object-store.ts';
import { withFallback } from './object-store-fallback.ts';
import type { FallbackObjectStore } from './object-store-fallback.ts';
import { createFsObjectStore } from './object-store-fs.ts';
import { guardObjectStore } from './object-store-guarded.ts';
import type { GuardOptions, GuardedObjectStore } from './object-store-guarded.ts';
import { checkIntegrity, sampleKeys } from './object-store-integrity.ts';
import { ObjectStoreUnavailable } from './s3-outage.ts';

const type = { contentType: 'image/webp' };
const quick: GuardOptions = { retries: 2, firstDelayMs: 1, failuresToOpen: 100, halfOpenAfterMs: 20 };

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'object-store-pair-'));
});
afterEach(() => rm(root, { recursive: true }));

/**
 * A store on a disk that can go away: a link that leads to a folder, or to a plain file meanwhile, changes in one step.
 */
function storeOn(disk: string) {
  const dir = join(root, disk);
  mkdirSync(`${dir}-folder`);
  writeFileSync(`${dir}-file`, '');
  symlinkSync(`${dir}-folder`, dir);
  const lead = async (to: 'folder' | 'file') => {
    await symlink(`${dir}-${to}`, `${dir}-next`);
    await rename(`${dir}-next`, dir);
  };
  return {
    store: createFsObjectStore({
      dir,
      secret: 'a signing secret for tests, long enough',
      uploadBaseUrl: `http://${disk}/up`,
      downloadBaseUrl: `http://${disk}/down`,
    }),
    lose: () => lead('file'),
    regain: () => lead('folder'),
  };
}

async function read(store: ObjectStore, key: string): Promise<string> {
  const found = await store.get(key);
  return found.ok ? text(found.body) : found.code;
}

describe('a guarded store', () => {
  test('answers like the store behind it', async () => {
    const guarded = guardObjectStore(storeOn('a').store, quick);
    await guarded.put('k', Buffer.from('v'), type);
    expect(await read(guarded, 'k')).toBe('v');
    expect(await guarded.head('none')).toBeNull();
    expect(guarded.state()).toBe('closed');
  });

  test('tries again until the store is back', async () => {
    const disk = storeOn('a');
    const guarded = guardObjectStore(disk.store, { ...quick, retries: 50, firstDelayMs: 5 });
    await disk.store.put('k', Buffer.from('v'), type);
    await disk.lose();
    const late = read(guarded, 'k');
    await disk.regain();
    expect(await late).toBe('v');
  });

  test('opens after failures in a row, fails at once then, and closes again by itself', async () => {
    const disk = storeOn('a');
    const states: string[] = [];
    const guarded = guardObjectStore(disk.store, {
      retries: 0,
      failuresToOpen: 5,
      halfOpenAfterMs: 300,
      onState: (state) => states.push(state),
    });
    await disk.store.put('k', Buffer.from('v'), type);
    await disk.lose();
    for (let call = 0; call < 5; call++) await expect(guarded.head('k')).rejects.toThrow(/ENOTDIR/);
    expect(guarded.state()).toBe('open');
    await expect(guarded.head('k')).rejects.toBeInstanceOf(ObjectStoreUnavailable);
    await disk.regain();
    await expect.poll(() => guarded.head('k').catch(() => null), { timeout: 5_000 }).not.toBeNull();
    expect(states).toEqual(['open', 'half-open', 'closed']);
  });

  test('does not count what the caller did wrong', async () => {
    const guarded = guardObjectStore(storeOn('a').store, { retries: 0, failuresToOpen: 1 });
    await expect(
      guarded.put('k', Buffer.from('v'), { ...type, checksumSha256: '0'.repeat(64) }),
    ).rejects.toBeInstanceOf(ChecksumMismatch);
    await expect(async () => guarded.head('../k')).rejects.toBeInstanceOf(TypeError);
    expect(guarded.state()).toBe('closed');
  });
});

describe('two stores as one', () => {
  let first: ReturnType<typeof storeOn>;
  let second: ReturnType<typeof storeOn>;
  let guarded: GuardedObjectStore;
  let both: FallbackObjectStore;
  let fallbacks: string[];
  beforeEach(() => {
    first = storeOn('first');
    second = storeOn('second');
    fallbacks = [];
    guarded = guardObjectStore(first.store, { ...quick, retries: 0 });
    both = withFallback({
      primary: guarded,
      secondary: second.store,
      onFallback: (operation, key) => fallbacks.push(`${operation} ${key}`),
    });
  });

  test('keep a copy each', async () => {
    await both.put('m/a', Buffer.from('v'), type);
    expect([await read(first.store, 'm/a'), await read(second.store, 'm/a')]).toEqual(['v', 'v']);
    expect(fallbacks).toEqual([]);
  });

  test('serve and take objects while the first is away, and carry over later', async () => {
    await both.put('m/old', Buffer.from('old'), type);
    await both.put('m/gone', Buffer.from('gone'), type);
    await first.lose();
    await both.put('m/new', Buffer.from('new'), { ...type, cacheControl: 'private' });
    await both.delete('m/gone');
    expect([await read(both, 'm/old'), await read(both, 'm/new'), await read(both, 'm/gone')]).toEqual([
      'old',
      'new',
      'object_missing',
    ]);
    expect(await keys(both, '')).toEqual(['m/new', 'm/old']);
    await first.regain();
    expect(await both.reconcile()).toEqual({ copied: 1, removed: 1 });
    expect(await first.store.head('m/new')).toMatchObject({ contentType: 'image/webp', cacheControl: 'private' });
    expect(await first.store.head('m/gone')).toBeNull();
    expect(await both.reconcile()).toEqual({ copied: 0, removed: 0 });
    expect(await keys(second.store, '')).toEqual(['m/new', 'm/old']);
    expect(fallbacks).toContain('put m/new');
  });

  test('carry over to the second as well', async () => {
    await second.lose();
    await both.put('m/a', Buffer.from('v'), type);
    await second.regain();
    expect(await both.reconcile()).toEqual({ copied: 1, removed: 0 });
    expect(await read(second.store, 'm/a')).toBe('v');
  });

  test('keep an object that was written again after a missed removal', async () => {
    await both.put('m/a', Buffer.from('v1'), type);
    await first.lose();
    await both.delete('m/a');
    await first.regain();
    await both.put('m/a', Buffer.from('v2'), type);
    await both.reconcile();
    expect([await read(first.store, 'm/a'), await read(second.store, 'm/a')]).toEqual(['v2', 'v2']);
  });

  test('keep their notes when carrying over fails', async () => {
    await first.lose();
    await both.put('m/a', Buffer.from('v'), type);
    await expect(both.reconcile()).rejects.toThrow();
    await first.regain();
    expect(await both.reconcile()).toEqual({ copied: 1, removed: 0 });
  });

  test('fail only when both are away', async () => {
    await first.lose();
    await second.lose();
    await expect(both.put('m/a', Buffer.from('v'), type)).rejects.toThrow(/ENOTDIR/);
    await expect(both.get('m/a')).rejects.toThrow(/ENOTDIR/);
    await expect(both.delete('m/a')).rejects.toThrow(/ENOTDIR/);
  });

  test('refuse wrong bytes as one', async () => {
    await expect(both.put('m/a', Buffer.from('v'), { ...type, checksumSha256: '0'.repeat(64) })).rejects.toBeInstanceOf(
      ChecksumMismatch,
    );
    expect(await both.head('m/a')).toBeNull();
  });

  test('sign uploads for the second once the first is given up, and copy what came that way', async () => {
    expect((await both.presignUpload({ key: 'up/a', ...type, size: 1, expiresInSeconds: 60 })).url).toMatch(
      /^http:\/\/first\//,
    );
    await first.store.put('up/a', Buffer.from('v'), type);
    expect(await both.replicate('up/a')).toBe(true);
    expect(await both.replicate('up/none')).toBe(false);
    await second.store.put('up/c', Buffer.from('w'), type);
    expect(await both.replicate('up/c')).toBe(true);
    expect(await read(first.store, 'up/c')).toBe('w');
    expect(await read(second.store, 'up/a')).toBe('v');
    const lost = guardObjectStore(first.store, { retries: 0, failuresToOpen: 1 });
    await first.lose();
    await expect(lost.head('up/a')).rejects.toThrow();
    const pair = withFallback({ primary: lost, secondary: second.store });
    expect((await pair.presignUpload({ key: 'up/b', ...type, size: 1, expiresInSeconds: 60 })).url).toMatch(
      /^http:\/\/second\//,
    );
    expect((await pair.presignDownload('up/b', 60)).url).toMatch(/^http:\/\/second\//);
  });

  test('note an upload that could not be copied, and copy it later', async () => {
    await first.store.put('up/a', Buffer.from('v'), type);
    await second.lose();
    expect(await both.replicate('up/a')).toBe(true);
    await second.regain();
    expect(await both.reconcile()).toEqual({ copied: 1, removed: 0 });
    expect(await read(second.store, 'up/a')).toBe('v');
    await first.lose();
    await second.lose();
    await expect(both.replicate('up/a')).rejects.toThrow(/ENOTDIR/);
  });

  test('copy a large object over the disk', async () => {
    await first.store.put('up/film', Buffer.alloc(9 * 1024 * 1024, 'f'), type);
    expect(await both.replicate('up/film')).toBe(true);
    expect((await second.store.head('up/film'))?.checksumSha256).toBe(
      (await first.store.head('up/film'))?.checksumSha256,
    );
  });

  test('restore what was damaged or lost in the first', async () => {
    for (const key of ['m/a', 'm/b', 'm/c', 'm/d']) await both.put(key, Buffer.from(`bytes of ${key}`), type);
    await damage('first', 'b');
    await first.store.delete('m/c');
    await damage('first', 'd');
    await damage('second', 'd');
    const report = await checkIntegrity({
      primary: first.store,
      secondary: second.store,
      keys: ['m/a', 'm/b', 'm/c', 'm/d'],
    });
    expect(report).toEqual({ checked: 4, restored: ['m/b', 'm/c'], lost: ['m/d'] });
    expect([await read(first.store, 'm/b'), await read(first.store, 'm/c')]).toEqual(['bytes of m/b', 'bytes of m/c']);
  });

  test('are sampled from a place on and around the end', async () => {
    for (const key of ['m/a', 'm/b', 'm/c', 'm/d']) await first.store.put(key, Buffer.from('v'), type);
    const sample = async (count: number, startAfter: string) => {
      const found: string[] = [];
      for await (const key of sampleKeys(first.store, 'm/', { count, startAfter })) found.push(key);
      return found;
    };
    expect(await sample(3, 'm/b')).toEqual(['m/c', 'm/d', 'm/a']);
    expect(await sample(9, 'm/b')).toEqual(['m/c', 'm/d', 'm/a', 'm/b']);
    expect(await sample(0, 'm/b')).toEqual([]);
  });

  async function damage(disk: string, name: string): Promise<void> {
    const folder = join(root, disk, 'objects', 'm');
    for (const file of await readdir(folder)) {
      if (file.startsWith(`${name}~`) && file !== `${name}~`) await writeFile(join(folder, file), 'rotten');
    }
  }
});

async function keys(store: ObjectStore, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list(prefix)) found.push(key);
  return found;
}
