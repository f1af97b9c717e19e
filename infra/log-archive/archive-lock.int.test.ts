import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { happened } from '../../testing/projection-spec.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { openTcpProxy } from '../../testing/tcp-proxy.ts';
import { newId } from '../ids.ts';
import { createFsObjectStore } from '../object-store/object-store-fs.ts';
import { openPool } from '../postgres.ts';
import { openVault, type Vault } from '../vault/vault.ts';
import { asOnlyExport } from './archive-lock.ts';
import { eventsIn, exportLog } from './export.ts';
import { readManifest, type Manifest } from './segment.ts';
import { archiveFolder, archiveInObjectStore, type ArchiveStorage } from './storage.ts';

let world: ProjectorWorld;
let folder: string;
let keys: Vault['keys'];
const LIMIT_MS = 60_000;
beforeAll(async () => {
  world = await openProjectorWorld();
  folder = await mkdtemp(join(tmpdir(), 'archive-lock-'));
  ({ keys } = await openVault({ pool: world.pool, masterKey: randomBytes(32).toString('base64') }));
  await world.append(
    ...Array.from({ length: 30 }, () =>
      happened('AccountFollowed', { followerId: newId.account(), followeeId: newId.account() }),
    ),
  );
});
afterAll(async () => {
  await world.close();
  await rm(folder, { recursive: true, force: true });
});

const exportTo = (storage: ArchiveStorage, pool = world.pool): Promise<Manifest> =>
  exportLog({
    store: world.store,
    pool,
    storage,
    signal: new AbortController().signal,
    onSegment: () => undefined,
    segmentEvents: 10,
  });

type Change = 'write' | 'remove';

/** An archive whose first change, or the first of those that `held` tells, waits until it is let go. */
function heldArchive(
  place: string,
  held: (change: Change, name: string) => boolean = () => true,
): { storage: ArchiveStorage; writing: Promise<undefined>; letGo: () => void } {
  const storage = archiveFolder(join(folder, place));
  const writing = Promise.withResolvers<undefined>();
  const going = Promise.withResolvers<undefined>();
  const wait = async (change: Change, name: string) => {
    if (!held(change, name)) return;
    writing.resolve(undefined);
    await going.promise;
  };
  return {
    storage: {
      ...storage,
      write: async (name, bytes) => {
        await wait('write', name);
        await storage.write(name, bytes);
      },
      remove: async (name) => {
        await wait('remove', name);
        await storage.remove(name);
      },
    },
    writing: writing.promise,
    letGo: () => {
      going.resolve(undefined);
    },
  };
}

describe('an export', () => {
  it('is refused in one clear line while another one writes into the same archive, and not beside it', async () => {
    const held = heldArchive('one');
    const first = exportTo(held.storage);
    await held.writing;
    await expect(exportTo(archiveFolder(join(folder, 'one')))).rejects.toMatchObject({
      name: 'ArchiveError',
      message: `another export writes into ${join(folder, 'one')} at this moment: wait until it ends, or stop it`,
    });
    expect(eventsIn(await exportTo(archiveFolder(join(folder, 'two'))))).toBe(30);
    held.letGo();
    expect(eventsIn(await first)).toBe(30);
    expect(eventsIn(await exportTo(archiveFolder(join(folder, 'one'))))).toBe(30);
  });

  it('is let in beside one into another bucket under the same prefix', async () => {
    const inBucket = (bucket: string) =>
      archiveInObjectStore(
        createFsObjectStore({
          dir: join(folder, bucket),
          secret: 'x'.repeat(40),
          uploadBaseUrl: 'http://none',
          downloadBaseUrl: 'http://none',
        }),
        { prefix: 'backups', place: `the bucket ${bucket}` },
      );
    const [one, other] = [inBucket('one-bucket'), inBucket('another-bucket')];
    await asOnlyExport(world.pool, one.place, async () => {
      await expect(exportTo(inBucket('one-bucket'))).rejects.toThrow(
        'another export writes into backups in the bucket one-bucket',
      );
      expect(eventsIn(await exportTo(other))).toBe(30);
    });
  });

  it('is let in after one whose process was killed', async () => {
    const place = join(folder, 'killed');
    const script = `import { openPool } from './infra/postgres.ts'; import { asOnlyExport } from './infra/log-archive/archive-lock.ts';
      await asOnlyExport(openPool(process.argv[1], { size: 1, name: 'killed-export' }), process.argv[2], () => { console.log('holds'); return new Promise(() => setInterval(() => undefined, 1_000)); });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, world.databaseUrl, place], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    const isFree = () => asOnlyExport(world.pool, place, async () => true).catch(() => false);
    expect(await isFree()).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await eventually('the lock is gone with its process', isFree);
  });

  it.each([
    ['a segment', (change, name) => change === 'write' && name.startsWith('segment-')],
    ['the vault', (change, name) => change === 'write' && name.startsWith('vault-')],
    ['its last list of what there is', (change) => change === 'remove'],
  ] satisfies [string, (change: Change, name: string) => boolean][])(
    'that loses its right before %s is through ends there, rather than write beside the next one',
    async (what, isHeld) => {
      await exportTo(archiveFolder(join(folder, what)));
      await world.append(happened('AccountFollowed', { followerId: newId.account(), followeeId: newId.account() }));
      await keys.create(newId.account());
      const held = heldArchive(what, isHeld);
      const ended = exportTo(held.storage).then(
        () => 'finished',
        (error: unknown) => error,
      );
      await held.writing;
      const listed = await readManifest(held.storage);
      await world.pool.query(
        `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and classid = 7034 and database = (select oid from pg_database where datname = current_database())`,
      );
      await eventually('another may export', () =>
        asOnlyExport(world.pool, held.storage.place, async () => true).catch(() => false),
      );
      held.letGo();
      expect(await ended).toMatchObject({ name: 'ArchiveError', message: expect.stringContaining('lost its right') });
      expect(await readManifest(held.storage)).toEqual(listed);
    },
  );

  it(
    'ends when nothing comes any more on the connection of its lock, though that never said that it broke',
    async () => {
      const { hostname, port } = new URL(world.databaseUrl);
      const proxy = await openTcpProxy({ host: hostname, port: Number(port) });
      const through = new URL(world.databaseUrl);
      through.host = `127.0.0.1:${String(proxy.port)}`;
      const pool = openPool(through.href, { size: 2, name: 'half-open' });
      const held = heldArchive('half-open');
      try {
        const ended = exportTo(held.storage, pool).then(
          () => 'finished',
          (error: unknown) => error,
        );
        await held.writing;
        proxy.slow(LIMIT_MS);
        held.letGo();
        expect(await ended).toMatchObject({ name: 'ArchiveError', message: expect.stringContaining('lost its right') });
        expect(await readManifest(held.storage)).toBeUndefined();
      } finally {
        await pool.end();
        await proxy.close();
      }
    },
    LIMIT_MS,
  );
});
