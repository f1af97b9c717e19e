import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startEventStoreNode, type EventStoreNode } from '../infra/event-store-node/server.ts';
import { makeAuthority, type TestAuthority } from '../testing/certificates.ts';
import { runCli } from '../testing/cli.ts';
import { createTestDatabase, type TestDatabase } from '../testing/postgres.ts';
import { createTestRedis, type TestRedis } from '../testing/redis.ts';
import { openSecureFront, type SecureFront } from '../testing/secure-front.ts';

const NOBODY = '127.0.0.1:1';
const LIMIT_MS = 60_000;

let folder: string;
let [database, redis]: [TestDatabase?, TestRedis?] = [];
let node: EventStoreNode;
let front: SecureFront;
let authority: TestAuthority;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'doctor-'));
  [database, redis] = await Promise.all([createTestDatabase(), createTestRedis()]);
  node = await startEventStoreNode({ dataDir: join(folder, 'log') });
  authority = await makeAuthority(folder, 'ours');
  front = await openSecureFront({
    ...(await authority.issue(['localhost'])),
    target: node.port,
    credentials: 'shutterlog:right',
  });
});
afterAll(async () => {
  await Promise.all([database?.drop(), redis?.close()]);
  await front.close();
  await node.close();
  rmSync(folder, { recursive: true, force: true });
});

const Findings = z.array(
  z.object({ check: z.string(), ok: z.boolean(), says: z.string(), advice: z.string().optional() }),
);

async function eventStoreOf(url: string) {
  const { out } = await runCli(
    {
      PATH: process.env['PATH'],
      EVENTSTORE_URL: url,
      DATABASE_URL: database!.url,
      REDIS_URL: redis!.url,
      MEDIA_DIR: join(folder, 'media'),
      JWT_SECRET: 'x'.repeat(40),
      MASTER_KEY: Buffer.alloc(32).toString('base64'),
    },
    ['--data-dir', folder, 'doctor', '--json'],
  );
  return Findings.parse(JSON.parse(out)).find(({ check }) => check === 'event store');
}

describe('shutterlog doctor', () => {
  it(
    'finds an event store behind TLS, and of one that refuses the user does not say that it should be started',
    async () => {
      const at = (password: string) =>
        `esdb://shutterlog:${password}@localhost:${front.port}?tlsCaFile=${authority.file}`;
      expect(await eventStoreOf(at('right'))).toMatchObject({
        ok: true,
        says: expect.stringMatching(/^store [0-9a-f-]{36}, head/) as unknown,
      });
      const refused = await eventStoreOf(at('wrong'));
      expect(refused).toMatchObject({
        ok: false,
        says: 'the event store does not accept the user shutterlog with this password',
      });
      expect(refused?.advice).toMatch(/set the password anew on the server \(EVENTSTORE_URL\)$/);
      expect(refused?.advice).not.toMatch(/start/);
    },
    LIMIT_MS,
  );

  it(
    'says that one is to be started where nobody listens',
    async () => {
      expect(await eventStoreOf(`esdb://${NOBODY}?tls=false`)).toMatchObject({
        ok: false,
        says: `nobody listens on ${NOBODY}`,
        advice: expect.stringMatching(/^start the event store there/) as unknown,
      });
    },
    LIMIT_MS,
  );
});
