import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Child } from '../processes/children.ts';
import { sendSignal } from '../processes/child-registry.ts';
import { readTextFile } from '../files.ts';
import { createCluster, programForCluster } from './postgres-cluster.ts';
import { processStamp } from '../processes/process-identity.ts';
import { reasonOf, whenReady, type ServerOptions } from '../readiness.ts';
import { unprivilegedRunner } from './system-user.ts';

const ROLE = 'shutterlog';
const READY_LIMIT_MS = 120_000;
const POLL_MS = 30;

/**
 * Starts a private PostgreSQL on 127.0.0.1 and resolves to its process once the database of `postgresUrl` accepts
 * statements. Throws StartError with the server's last words when it does not come up.
 */
export async function startPostgres(options: ServerOptions): Promise<Child> {
  const runner = unprivilegedRunner();
  await endForgottenServer(options.directory);
  const program = programForCluster(options) ?? (await createCluster({ ...options, role: ROLE }, runner));
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    port: String(options.port),
    ...options.settings,
  };
  const args = [
    '-D',
    options.directory,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  const child = await options.children.start({
    name: 'postgres',
    kind: 'store',
    ...runner.command(program, args),
    cwd: '/',
    env: { ...process.env, LC_ALL: 'C' },
    stopSignal: 'SIGINT',
  });
  return whenReady(child, {
    children: options.children,
    title: 'PostgreSQL',
    limitMs: READY_LIMIT_MS,
    ask: () => tryDatabase(options),
  });
}

/** The address of the database `shutterlog` on a server that `startPostgres` brings up with the same options. */
export function postgresUrl(options: Pick<ServerOptions, 'port' | 'password'>, database: string = ROLE): string {
  const credentials = options.password === undefined ? ROLE : `${ROLE}:${options.password}`;
  return `postgres://${credentials}@127.0.0.1:${options.port}/${database}`;
}

// A postmaster that the registry does not know (its parent died between spawning and noting it) still holds the
// cluster.
async function endForgottenServer(directory: string): Promise<void> {
  const pid = Number(readTextFile(join(directory, 'postmaster.pid'))?.split('\n')[0]);
  const stamp = pid > 0 ? processStamp(pid) : undefined;
  if (stamp === undefined || readTextFile(`/proc/${pid}/cmdline`)?.includes(directory) !== true) return;
  sendSignal(pid, 'SIGINT');
  const deadline = Date.now() + READY_LIMIT_MS;
  while (processStamp(pid) === stamp && Date.now() < deadline) await delay(POLL_MS);
}

async function tryDatabase(options: ServerOptions): Promise<string> {
  const client = new pg.Client({ connectionString: postgresUrl(options, 'postgres'), connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [ROLE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${ROLE}`);
    return 'ready';
  } catch (error) {
    return reasonOf(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
