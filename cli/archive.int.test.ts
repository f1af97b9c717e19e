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
});
