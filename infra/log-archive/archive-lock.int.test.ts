import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { happened } from '../../testing/projection-spec.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { newId } from '../ids.ts';
import { openVault } from '../vault.ts';
import { asOnlyExport } from './archive-lock.ts';
import { eventsIn, exportLog } from './export.ts';
import type { Manifest } from './segment.ts';
import { archiveFolder, type ArchiveStorage } from './storage.ts';

let world: ProjectorWorld;
let folder: string;
beforeAll(async () => {
  world = await openProjectorWorld();
  folder = await mkdtemp(join(tmpdir(), 'archive-lock-'));
  await openVault({ pool: world.pool, masterKey: randomBytes(32).toString('base64') });
  await world.append(...Array.from({ length: 30 }, () => happened('AccountFollowed', { followerId: newId.account(), followeeId: newId.account() })));
});
afterAll(async () => {
  await world.close();
  await rm(folder, { recursive: true, force: true });
});

const exportTo = (storage: ArchiveStorage): Promise<Manifest> => exportLog({ store: world.store, pool: world.pool, storage, signal: new AbortController().signal, onSegment: () => undefined, segmentEvents: 10 });

/** An archive whose first write waits until it is let go. */
function heldArchive(place: string): { storage: ArchiveStorage; writing: Promise<undefined>; letGo: () => void } {
  const storage = archiveFolder(join(folder, place));
  const writing = Promise.withResolvers<undefined>();
  const going = Promise.withResolvers<undefined>();
  return {
    storage: { ...storage, write: async (...args) => { writing.resolve(undefined); await going.promise; await storage.write(...args); } },
    writing: writing.promise,
    letGo: () => { going.resolve(undefined); },
  };
}

describe('an export', () => {
  it('is refused in one clear line while another one writes into the same archive, and not beside it', async () => {
    const held = heldArchive('one');
    const first = exportTo(held.storage);
    await held.writing;
    await expect(exportTo(archiveFolder(join(folder, 'one')))).rejects.toMatchObject({ name: 'ArchiveError', message: `another export writes into ${join(folder, 'one')} at this moment: wait until it ends, or stop it` });
    expect(eventsIn(await exportTo(archiveFolder(join(folder, 'two'))))).toBe(30);
    held.letGo();
    expect(eventsIn(await first)).toBe(30);
    expect(eventsIn(await exportTo(archiveFolder(join(folder, 'one'))))).toBe(30);
  });

  it('is let in after one whose process was killed', async () => {
    const place = join(folder, 'killed');
    const script = `import { openPool } from './infra/postgres.ts'; import { asOnlyExport } from './infra/log-archive/archive-lock.ts';
      await asOnlyExport(openPool(process.argv[1], { size: 1, name: 'killed-export' }), process.argv[2], () => { console.log('holds'); return new Promise(() => setInterval(() => undefined, 1_000)); });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, world.databaseUrl, place], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    const isFree = () => asOnlyExport(world.pool, place, async () => true).catch(() => false);
    expect(await isFree()).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await eventually('the lock is gone with its process', isFree);
  });

  it('ends when it loses its right to write, rather than write beside the next one', async () => {
    const held = heldArchive('lost');
    const ended = exportTo(held.storage).then(() => 'finished', (error: unknown) => error);
    await held.writing;
    await world.pool.query(`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and classid = 7034 and database = (select oid from pg_database where datname = current_database())`);
    await eventually('another may export', () => asOnlyExport(world.pool, held.storage.place, async () => true).catch(() => false));
    held.letGo();
    expect(await ended).toMatchObject({ name: 'ArchiveError', message: expect.stringContaining('lost its right') });
  });
});
