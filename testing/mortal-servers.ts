import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openChildRegistry, sendSignal } from '../infra/local/processes/child-registry.ts';
import { createChildren, type Child, type Children } from '../infra/local/processes/children.ts';
import { freePort } from '../infra/local/processes/ports.ts';
import { postgresUrl, startPostgres } from '../infra/local/stores/postgres-server.ts';
import { ensurePrograms, POSTGRES, REDIS } from '../infra/local/stores/programs.ts';
import { redisUrl, startRedis } from '../infra/local/stores/redis-server.ts';
import { openEventStore } from '../infra/event-store/event-store.ts';
import { startRedisCluster } from './redis-cluster.ts';
import { onRedisCluster } from './redis.ts';

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

/**
 * Starts PostgreSQL, Redis (three masters of a cluster in the test project for clusters) and the embedded event store,
 * in a directory of their own.
 */
export async function startMortalServers(): Promise<MortalServers> {
  const directory = await mkdtemp(join(tmpdir(), 'shutterlog-mortal-'));
  const children = createChildren(directory, openChildRegistry(directory));
  const [program = ''] = ensurePrograms([POSTGRES], () => undefined);
  const postgres = {
    children,
    program,
    directory: join(directory, 'postgres'),
    port: await freePort(),
    settings: { max_connections: '100' },
  };
  const eventStorePort = await freePort();
  const eventStoreUrl = `esdb://127.0.0.1:${String(eventStorePort)}?tls=false`;
  const redis = await startMortalRedis(children, join(directory, 'redis'));
  const servers: Record<ServerName, MortalServer> = {
    redis,
    postgres: await startMortal(() => startPostgres(postgres)),
    'event-store': await startMortal(async () => {
      const child = await children.start({
        name: 'event-store',
        command: process.execPath,
        args: [NODE, '--port', String(eventStorePort), '--data-dir', join(directory, 'log')],
        env: process.env,
      });
      await answers(eventStoreUrl);
      return child;
    }),
  };
  return {
    databaseUrl: postgresUrl(postgres),
    redisUrl: redis.url,
    eventStoreUrl,
    kill: (name) => servers[name].kill(),
    restart: (name) => servers[name].restart(),
    close: async () => {
      await children.close();
      await rm(directory, { recursive: true, force: true });
      await redis.close();
    },
  };
}

type MortalServer = { kill(): Promise<void>; restart(): Promise<void> };

async function startMortal(start: () => Promise<Child>): Promise<MortalServer> {
  let child = await start();
  return {
    kill: async () => {
      if (!child.hasEnded()) sendSignal(child.pid, 'SIGKILL');
      await child.ended;
    },
    restart: async () => {
      child = await start();
    },
  };
}

async function startMortalRedis(
  children: Children,
  directory: string,
): Promise<MortalServer & { url: string; close(): Promise<void> }> {
  if (onRedisCluster()) return startRedisCluster({ durable: true });
  const [program = ''] = ensurePrograms([REDIS], () => undefined);
  const redis = { children, program, directory, port: await freePort() };
  return { ...(await startMortal(() => startRedis(redis))), url: redisUrl(redis), close: () => Promise.resolve() };
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
