import { randomBytes, randomUUID } from 'node:crypto';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { createTestDatabase } from '../../testing/postgres.ts';
import { startEventStoreNode } from '../event-store-node/server.ts';
import { openEventStore, STORE_STREAM, type EventStore } from '../event-store/event-store.ts';
import { newId } from '../ids.ts';
import { openPool, type Pool } from '../postgres.ts';
import { openVault, WrongMasterKeyError } from '../vault/vault.ts';
import { restoreVault, VaultNotEmptyError } from '../vault/vault-archive.ts';
import { exportLog } from './export.ts';
import { checkArchive, checkTarget, importLog } from './import.ts';
import { readLines, readManifest, type Manifest } from './segment.ts';
import { archiveFolder, type ArchiveStorage } from './storage.ts';

const masterKey = randomBytes(32).toString('base64');
const never = new AbortController().signal;
const releases: (() => Promise<unknown>)[] = [];
let folder: string;
let source: EventStore;
let pool: Pool;

async function temporary(name: string): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), `archive-${name}-`));
  releases.push(() => rm(made, { recursive: true, force: true }));
  return made;
}

async function newStore(): Promise<EventStore> {
  const node = await startEventStoreNode({ dataDir: await temporary('log') });
  const store = await openEventStore(node.url);
  releases.push(
    () => node.close(),
    () => store.close(),
  );
  return store;
}

async function newDatabase(): Promise<Pool> {
  const database = await createTestDatabase();
  const opened = openPool(database.url, { size: 4, name: 'archive-test' });
  releases.push(
    () => database.drop(),
    () => opened.end(),
  );
  return opened;
}

async function appendSome(store: EventStore, streams: number, each: number): Promise<void> {
  for (let s = 0; s < streams; s += 1) {
    const stream = `thing-${randomUUID()}`;
    for (let n = 0; n < each; n += 1) {
      await store.append(stream, n === 0 ? 'no_stream' : BigInt(n - 1), [
        { id: randomUUID(), type: 'ThingHappened', data: { n, text: 'ü\n' }, metadata: { by: 'test' } },
      ]);
    }
  }
}

async function history(store: EventStore): Promise<Omit<RecordedEvent, 'position' | 'createdAt'>[]> {
  const events = [];
  for await (const { streamId, revision, id, type, data, metadata } of store.readAll())
    if (streamId !== STORE_STREAM) events.push({ streamId, revision, id, type, data, metadata });
  return events;
}

function exportTo(into: string, segmentEvents = 7): Promise<Manifest> {
  return exportLog({
    store: source,
    pool,
    storage: archiveFolder(into),
    signal: never,
    onSegment: () => undefined,
    segmentEvents,
  });
}

function importFrom(from: string, manifest: Manifest, store: EventStore, signal = never): ReturnType<typeof importLog> {
  return importLog({ store, storage: archiveFolder(from), manifest, signal, onEvents: () => undefined });
}

beforeAll(async () => {
  source = await newStore();
  pool = await newDatabase();
  await openVault({ pool, masterKey });
  await appendSome(source, 10, 4);
});
beforeEach(async () => {
  folder = await temporary('files');
});
afterAll(async () => {
  for (const release of releases.reverse()) await release();
});

describe('an exported log', () => {
  it('comes back in an empty store with the same streams, revisions, ids, contents and order', async () => {
    const manifest = await exportTo(folder);
    expect(manifest.segments.length).toBeGreaterThan(3);
    await checkArchive(archiveFolder(folder), manifest);
    const target = await newStore();
    await importFrom(folder, manifest, target);
    expect(await history(target)).toEqual(await history(source));
    expect(target.storeId).not.toBe(source.storeId);
  });

  it('grows by what is new when it is exported again', async () => {
    const first = await exportTo(folder);
    await appendSome(source, 2, 2);
    const second = await exportTo(folder);
    expect(second.segments.slice(0, first.segments.length)).toEqual(first.segments);
    const target = await newStore();
    await importFrom(folder, second, target);
    expect(await history(target)).toEqual(await history(source));
  });

  it('keeps no earlier vault: its keys would bring erased accounts back', async () => {
    const vaults = async () => (await readdir(folder)).filter((file) => file.startsWith('vault-'));
    const vault = await openVault({ pool, masterKey });
    const account = newId.account();
    await vault.keys.create(account);
    const first = await exportTo(folder);
    await vault.keys.empty(account, new Date());
    // As when the first export was killed before it had removed what it replaced.
    await writeFile(join(folder, 'vault-9-abc.jsonl.zst'), 'older');
    await writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...first, obsolete: ['vault-9-abc.jsonl.zst'] }));
    const second = await exportTo(folder);
    expect(second.vault?.file).not.toBe(first.vault?.file);
    expect(await vaults()).toEqual([second.vault?.file]);
  });

  it('is written beside what the manifest lists, never over it', async () => {
    const first = await exportTo(folder);
    await openVault({ pool, masterKey }).then(({ keys }) => keys.create(newId.account()));
    // Killed between the vault and the manifest: the archive is still the one before.
    const storage = archiveFolder(folder);
    await expect(
      exportLog({ store: source, pool, storage: killedAfterVault(storage), signal: never, onSegment: () => undefined }),
    ).rejects.toThrow('killed');
    await checkArchive(storage, first);
  });

  it('leaves nothing of a vault that it was killed over once the next one is through', async () => {
    const vaults = async () => (await readdir(folder)).filter((file) => file.startsWith('vault-'));
    const { keys } = await openVault({ pool, masterKey });
    await exportTo(folder);
    await keys.create(newId.account());
    await expect(
      exportLog({
        store: source,
        pool,
        storage: killedAfterVault(archiveFolder(folder)),
        signal: never,
        onSegment: () => undefined,
      }),
    ).rejects.toThrow('killed');
    expect(await vaults()).toHaveLength(2);
    await keys.create(newId.account());
    const next = await exportTo(folder);
    expect(await vaults()).toEqual([next.vault?.file]);
  });

  it('is refused for a log with a history of its own before the vault is touched', async () => {
    const manifest = await exportTo(folder);
    const target = await newStore();
    await appendSome(target, 1, 1);
    await expect(
      checkTarget({ store: target, storage: archiveFolder(folder), manifest, signal: never }),
    ).rejects.toThrow(/import into an empty store/);
    await checkTarget({ store: await newStore(), storage: archiveFolder(folder), manifest, signal: never });
  });

  it('goes on with an import that was interrupted, and repeats nothing', async () => {
    const manifest = await exportTo(folder);
    const target = await newStore();
    const half = { ...manifest, segments: manifest.segments.slice(0, 2) };
    await importFrom(folder, half, target);
    await importFrom(folder, manifest, target);
    await importFrom(folder, manifest, target);
    expect(await history(target)).toEqual(await history(source));
  });

  it('is refused by a log that has a history of its own', async () => {
    const manifest = await exportTo(folder);
    const target = await newStore();
    await appendSome(target, 1, 1);
    await expect(importFrom(folder, manifest, target)).rejects.toThrow(/import into an empty store/);
  });

  it('is refused when a file was changed, before anything is appended', async () => {
    const manifest = await exportTo(folder);
    const name = (await readdir(folder)).find((file) => file.startsWith('segment-000002')) ?? '';
    await appendFile(join(folder, name), 'x');
    await expect(checkArchive(archiveFolder(folder), manifest)).rejects.toThrow(`${name} does not have the checksum`);
  });

  it('is refused when its export never finished', async () => {
    const manifest = await exportTo(folder);
    await expect(checkArchive(archiveFolder(folder), { ...manifest, vault: undefined })).rejects.toThrow(/unfinished/);
  });

  it('is not mixed with another log', async () => {
    const manifest = await exportTo(folder);
    await writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, storeId: randomUUID() }));
    await expect(exportTo(folder)).rejects.toThrow(/another folder/);
  });

  it('can be read by its owner alone, and its manifest says when it was finished', async () => {
    await exportTo(folder);
    expect((await readManifest(archiveFolder(folder)))?.finishedAt).toBeDefined();
    expect(JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'))).toMatchObject({
      format: 1,
      storeId: source.storeId,
    });
  });
});

describe('the vault in an archive', () => {
  it('opens personal data and names on the other side, and keeps erased keys empty', async () => {
    const vault = await openVault({ pool, masterKey });
    const [kept, erased] = [newId.account(), newId.account()];
    await vault.keys.create(kept);
    await vault.keys.create(erased);
    await vault.keys.empty(erased, new Date());
    const lines = await linesOf(await exportTo(folder));
    const target = await newDatabase();
    await restoreVault({ pool: target, masterKey }, lines);
    await restoreVault({ pool: target, masterKey }, lines);
    const restored = await openVault({ pool: target, masterKey });
    const both = new Set([kept, erased]);
    expect(await restored.keys.forAccounts(both)).toEqual(await vault.keys.forAccounts(both));
    expect((await restored.keys.forAccounts(both)).get(erased)).toBeNull();
    expect(restored.names.username('somebody')).toBe(vault.names.username('somebody'));
  });

  it('is refused under another master key, and nothing is left behind', async () => {
    const lines = await linesOf(await exportTo(folder));
    const target = await newDatabase();
    await expect(restoreVault({ pool: target, masterKey: randomBytes(32).toString('base64') }, lines)).rejects.toThrow(
      WrongMasterKeyError,
    );
    expect((await target.query(`select 1 from information_schema.tables where table_schema = 'vault'`)).rows).toEqual(
      [],
    );
  });

  it('is refused by a vault that knows other accounts', async () => {
    const lines = await linesOf(await exportTo(folder));
    const target = await newDatabase();
    const other = await openVault({ pool: target, masterKey });
    await other.keys.create(newId.account());
    await expect(restoreVault({ pool: target, masterKey }, lines)).rejects.toThrow(VaultNotEmptyError);
  });
});

async function linesOf(manifest: Manifest): Promise<string[]> {
  if (manifest.vault === undefined) throw new Error('the archive has no vault');
  return readLines(archiveFolder(folder), manifest.vault);
}

/** Fails when the manifest is to be written after a vault. */
function killedAfterVault(storage: ArchiveStorage): ArchiveStorage {
  let isVaultWritten = false;
  return {
    ...storage,
    write: (name, bytes) => {
      if (name === 'manifest.json' && isVaultWritten) return Promise.reject(new Error('killed'));
      isVaultWritten ||= name.startsWith('vault-');
      return storage.write(name, bytes);
    },
  };
}
