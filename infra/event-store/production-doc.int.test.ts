import { EventStoreDBClient, START } from '@eventstore/db-client';
import { parseConnectionString } from '@eventstore/db-client/dist/Client/parseConnectionString.js';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { startEventStoreNode } from '../event-store-node/server.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const document = readFileSync(join(ROOT, 'docs/production.md'), 'utf8');
const addressesIn = (text: string) => [...text.matchAll(/esdb:\/\/shutterlog:\S+/g)].map(([address]) => address);

describe('docs/production.md', () => {
  it('shows addresses as the client reads them, the same as .env.example', () => {
    const [single, cluster] = addressesIn(document);
    expect(parseConnectionString(single!)).toMatchObject({
      hosts: [{ port: 2113 }],
      defaultCredentials: { username: 'shutterlog' },
      tlsCAFile: '/etc/shutterlog/ca.crt',
    });
    expect(parseConnectionString(cluster!)).toMatchObject({
      hosts: [{}, {}, {}],
      nodePreference: 'leader',
      defaultCredentials: { username: 'shutterlog' },
      tlsCAFile: '/etc/shutterlog/ca.crt',
    });
    expect(addressesIn(readFileSync(join(ROOT, '.env.example'), 'utf8'))).toEqual([single, cluster]);
  });

  it('gives our user the right to read everything and to write, and nobody else any, by the command that it shows', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'production-doc-'));
    const node = await startEventStoreNode({ dataDir: folder });
    const client = EventStoreDBClient.connectionString(node.url);
    try {
      const [command = ''] = /ADMIN_URL=[^]*?\n'\n/.exec(document) ?? [];
      await promisify(execFile)('bash', ['-euc', command.replace(/'esdb:[^']*'/, `'${node.url}'`)], {
        cwd: ROOT,
        timeout: 60_000,
        env: { ...process.env, PATH: `${join(process.execPath, '..')}:${process.env['PATH'] ?? ''}` },
      });
      expect((await client.getStreamMetadata('$all')).metadata).toEqual({
        acl: { readRoles: ['$admins', 'shutterlog'] },
      });
      const settings: unknown[] = [];
      for await (const { event } of client.readStream('$settings', { fromRevision: START })) settings.push(event?.data);
      expect(settings).toEqual([
        {
          $userStreamAcl: {
            $r: ['$admins', 'shutterlog'],
            $w: ['$admins', 'shutterlog'],
            $d: '$admins',
            $mr: '$admins',
            $mw: '$admins',
          },
          $systemStreamAcl: { $r: '$admins', $w: '$admins', $d: '$admins', $mr: '$admins', $mw: '$admins' },
        },
      ]);
    } finally {
      await client.dispose();
      await node.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
