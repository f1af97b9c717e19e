import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openChildRegistry } from '../infra/local/child-registry.ts';
import { createChildren, type Child } from '../infra/local/children.ts';
import { freePort } from '../infra/local/ports.ts';
import { postgresUrl, startPostgres } from '../infra/local/postgres-server.ts';
import { ensurePrograms, POSTGRES, REDIS } from '../infra/local/programs.ts';
import { redisUrl, startRedis } from '../infra/local/redis-server.ts';
import { openEventStore } from '../infra/event-store.ts';

export type ServerName = 'postgres' | 'redis' | 'event-store';

/** Servers of a test's own, which it may kill. Each comes back on its port and its data. */
export type MortalServers = {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly eventStoreUrl: string;
  /** Kills a server with SIGKILL and resolves when it is gone. */
  kill(name: ServerName): Promise<void>;
  /** Starts a server that was killed, and resolves when it answers. */
  restart(name: ServerName): Promise<void>;
  close(): Promise<void>;
};

const NODE = fileURLToPath(new URL('../infra/event-store-node/main.ts', import.meta.url));
const PATIENCE_MS = 60_000;

/** Starts PostgreSQL, Redis and the embedded event store in a directory of their own. */
export async function startMortalServers(): Promise<MortalServers> {
  const directory = await mkdtemp(join(tmpdir(), 'shutterlog-mortal-'));
  const children = createChildren(directory, openChildRegistry(directory));
  const [postgresProgram = '', redisProgram = ''] = ensurePrograms([POSTGRES, REDIS], () => undefined);
  const [postgresPort, redisPort, eventStorePort] = [await freePort(), await freePort(), await freePort()];
  const postgres = { children, program: postgresProgram, directory: join(directory, 'postgres'), port: postgresPort, settings: { max_connections: '100' } };
  const redis = { children, program: redisProgram, directory: join(directory, 'redis'), port: redisPort };
  const eventStoreUrl = `esdb://127.0.0.1:${String(eventStorePort)}?tls=false`;
  const starters: Record<ServerName, () => Promise<Child>> = {
    postgres: () => startPostgres(postgres),
    redis: () => startRedis(redis),
    'event-store': async () => {
      const child = await children.start({ name: 'event-store', command: process.execPath, args: [NODE, '--port', String(eventStorePort), '--data-dir', join(directory, 'log')], env: process.env });
      await answers(eventStoreUrl);
      return child;
    },
  };
  const running = new Map<ServerName, Child>();
  for (const name of ['postgres', 'redis', 'event-store'] as const) running.set(name, await starters[name]());
  return {
    databaseUrl: postgresUrl(postgres), redisUrl: redisUrl(redis), eventStoreUrl,
    kill: async (name) => {
      const child = running.get(name);
      if (child !== undefined && !child.hasEnded()) process.kill(child.pid, 'SIGKILL');
      await child?.ended;
    },
    restart: async (name) => { running.set(name, await starters[name]()); },
    close: async () => {
      await children.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function answers(url: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      const store = await openEventStore(url);
      await store.close();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}
