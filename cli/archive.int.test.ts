import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../infra/ids.ts';
import { openVault } from '../infra/vault/vault.ts';
import { runCli } from '../testing/cli.ts';
import { erased } from '../testing/facts.ts';
import { openProjectorWorld, type ProjectorWorld } from '../testing/projector-world.ts';

const MASTER_KEY = randomBytes(32).toString('base64');
const LIMIT_MS = 120_000;

let source: ProjectorWorld;
let target: ProjectorWorld;
let folder: string;
beforeAll(async () => {
  [source, target, folder] = await Promise.all([
    openProjectorWorld(),
    openProjectorWorld(),
    mkdtemp(join(tmpdir(), 'cli-archive-')),
  ]);
});
afterAll(async () => {
  await Promise.all([source.close(), target.close()]);
  await rm(folder, { recursive: true, force: true });
});

// Neither command needs Redis.
const shutterlog = ({ node, databaseUrl }: ProjectorWorld, ...args: string[]) =>
  runCli(
    {
      ...process.env,
      EVENTSTORE_URL: node.url,
      DATABASE_URL: databaseUrl,
      REDIS_URL: 'redis://127.0.0.1:9',
      MASTER_KEY,
      JWT_SECRET: 'x'.repeat(40),
    },
    args,
  );

describe('shutterlog events import', () => {
  it(
    'empties the key of an account that the log says is erased, though the vault in the archive still holds it',
    async () => {
      const [kept, gone] = [newId.account(), newId.account()];
      const both = new Set([kept, gone]);
      const { keys } = await openVault({ pool: source.pool, masterKey: MASTER_KEY });
      for (const account of both) await keys.create(account);
      // Exported before the reaction to the event has emptied the key.
      await source.append(erased(gone));
      expect((await shutterlog(source, 'events', 'export', folder)).code).toBe(0);
      const exported = await keys.forAccounts(both);
      expect(exported.get(gone)).toBeInstanceOf(Buffer);
      const { code, err } = await shutterlog(target, 'events', 'import', folder, '--json');
      expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
      const restored = await openVault({ pool: target.pool, masterKey: MASTER_KEY });
      expect(await restored.keys.forAccounts(both)).toEqual(
        new Map([
          [kept, exported.get(kept)],
          [gone, null],
        ]),
      );
    },
    LIMIT_MS,
  );

  it(
    'goes into a server that already holds its own system events, and goes on when more have come in between',
    async () => {
      const [old, server] = await Promise.all([openProjectorWorld(), openProjectorWorld()]);
      const archive = await mkdtemp(join(tmpdir(), 'cli-archive-moved-'));
      try {
        await openVault({ pool: old.pool, masterKey: MASTER_KEY });
        await old.append(...Array.from({ length: 30 }, () => erased(newId.account())));
        expect((await shutterlog(old, 'events', 'export', archive)).code).toBe(0);
        await writeSystemEvents(server);
        for (let run = 1; run <= 2; run += 1) {
          const { code, out, err } = await shutterlog(server, 'events', 'import', archive);
          expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
          expect(out).toContain('30 events restored and compared');
          await writeSystemEvents(server);
        }
        expect(await streamsOf(server)).toEqual(await streamsOf(old));
      } finally {
        await Promise.all([old.close(), server.close(), rm(archive, { recursive: true, force: true })]);
      }
    },
    LIMIT_MS,
  );
});

/** What a server writes for itself: users, settings, rights, statistics, and what standard projections keep. */
async function writeSystemEvents({ node, store }: ProjectorWorld): Promise<void> {
  const client = EventStoreDBClient.connectionString(node.url);
  try {
    for (const [stream, type, data] of [
      ['$users', '$User', {}],
      ['$user-shutterlog', '$UserCreated', { loginName: 'shutterlog' }],
      ['$settings', 'update-default-acl', { $userStreamAcl: { $d: '$admins' } }],
      ['$stats-127.0.0.1:2113', '$statsCollected', { cpu: 1 }],
      ['$projections-$by_category', '$ProjectionUpdated', {}],
      ['$projections-$by_category-checkpoint', '$ProjectionCheckpoint', {}],
      ['$ce-account', '$>', { link: true }],
      ['$et-AccountErased', '$>', { link: true }],
      ['$streams', '$>', { link: true }],
      ['$scavenges', '$scavengeStarted', {}],
    ] as const)
      await client.appendToStream(stream, jsonEvent({ type, data }));
    await client.setStreamMetadata('$all', { acl: { readRoles: ['$admins', 'shutterlog'] } });
    await client.setStreamMetadata((await store.readStream('shutterlog-store'))[0]!.streamId, {
      acl: { deleteRoles: ['$admins'] },
    });
  } finally {
    await client.dispose();
  }
}

async function streamsOf({ store }: ProjectorWorld): Promise<string[]> {
  const events: string[] = [];
  for await (const { streamId, revision, id, type } of store.readAll())
    if (streamId !== 'shutterlog-store') events.push(`${streamId}@${revision} ${type} ${id}`);
  return events;
}
