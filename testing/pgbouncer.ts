import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { openChildRegistry } from '../infra/local/processes/child-registry.ts';
import { createChildren } from '../infra/local/processes/children.ts';
import { freePort } from '../infra/local/processes/ports.ts';
import { findProgram } from '../infra/local/stores/programs.ts';
import { reasonOf, whenReady } from '../infra/local/readiness.ts';
import { unprivilegedRunner } from '../infra/local/stores/system-user.ts';

/** Where Debian keeps it, which is on the PATH of root alone. */
export const PGBOUNCER_FOLDERS = ['/usr/sbin'];
const READY_LIMIT_MS = 30_000;

/** A PgBouncer in transaction mode, with its defaults otherwise. */
export type PgBouncer = {
  /** The same database as behind the address that it was started for. */
  readonly url: string;
  /** The `application_name` of each client that is connected. */
  clients(): Promise<string[]>;
  close(): Promise<void>;
};

/**
 * The program for a test file, undefined when it is not installed: the caller then skips, and this function has said
 * why. Under CI=true a missing program is an error instead.
 */
export function pgBouncerForTests(): string | undefined {
  const program = findProgram('pgbouncer', PGBOUNCER_FOLDERS);
  if (program !== undefined) return program;
  const reason = 'pgbouncer is not installed';
  if (process.env['CI'] === 'true') throw new Error(reason);
  console.log(`skipped: ${reason}`);
  return undefined;
}

/**
 * Starts one in front of the server of `databaseUrl`, on a free loopback port. Whatever the test does not close, the
 * run ends.
 */
export async function startPgBouncer(program: string, databaseUrl: string): Promise<PgBouncer> {
  const parent = process.env['TEST_SCRATCH_DIR'] ?? tmpdir();
  mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(join(parent, 'pgbouncer-'));
  const children = createChildren(directory, openChildRegistry(directory));
  const port = await freePort();
  const url = new URL(databaseUrl);
  const settings = join(directory, 'pgbouncer.ini');
  writeFileSync(settings, settingsFor(url, port), { mode: 0o644 });
  url.port = String(port);
  // It refuses to run as root.
  const runner = unprivilegedRunner();
  runner.own(directory);
  const child = await children.start({
    name: 'pgbouncer',
    ...runner.command(program, [settings]),
    cwd: '/',
    env: process.env,
    stopSignal: 'SIGINT',
  });
  await whenReady(child, {
    children,
    title: 'PgBouncer',
    limitMs: READY_LIMIT_MS,
    ask: () => ask(url.href, 'select 1').then(() => 'ready', reasonOf),
  });
  const console = new URL(url);
  console.pathname = '/pgbouncer';
  return {
    url: url.href,
    clients: async () =>
      (await ask(console.href, 'show clients'))
        .map(({ application_name: name }) => String(name))
        .filter((name) => name !== ''),
    close: async () => {
      await children.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function settingsFor({ hostname, port, username, password }: URL, listenPort: number): string {
  return `[databases]
* = host=${hostname} port=${port} user=${username}${password === '' ? '' : ` password=${decodeURIComponent(password)}`}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${String(listenPort)}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 500
`;
}

async function ask(connectionString: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}
