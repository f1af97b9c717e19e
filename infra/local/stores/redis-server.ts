import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Child } from '../processes/children.ts';
import { writePrivateFile } from '../files.ts';
import { reasonOf, whenReady, type ServerOptions } from '../readiness.ts';

const DEFAULTS = {
  bind: '127.0.0.1',
  appendonly: 'yes',
  appendfsync: 'everysec',
  save: '""',
  'maxmemory-policy': 'noeviction',
  daemonize: 'no',
};
const READY_LIMIT_MS = 60_000;

/**
 * Starts a private Redis on 127.0.0.1 and resolves to its process once it has loaded its data and answers.
 * Throws StartError with the server's last words when it does not come up.
 */
export async function startRedis(options: ServerOptions): Promise<Child> {
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const file = join(options.directory, 'redis.conf');
  const settings = {
    ...DEFAULTS,
    port: String(options.port),
    dir: `"${options.directory}"`,
    ...(options.password === undefined ? {} : { requirepass: options.password }),
    ...options.settings,
  };
  // In a file, because arguments (and a password among them) can be read by every user of the machine.
  writePrivateFile(
    file,
    Object.entries(settings)
      .map(([name, value]) => `${name} ${value}\n`)
      .join(''),
  );
  const child = await options.children.start({
    name: 'redis',
    kind: 'store',
    command: options.program,
    args: [file],
    env: { ...process.env, LC_ALL: 'C' },
  });
  return whenReady(child, {
    children: options.children,
    title: 'Redis',
    limitMs: READY_LIMIT_MS,
    ask: () => tryWriting(redisUrl(options)),
  });
}

/** The address of a server that `startRedis` brings up with the same options. */
export function redisUrl({ port, password }: Pick<ServerOptions, 'port' | 'password'>): string {
  return `redis://${password === undefined ? '' : `:${password}@`}127.0.0.1:${port}`;
}

async function tryWriting(url: string): Promise<string> {
  const client = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: null,
    connectTimeout: 2_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    // A write is what callers need, and it is refused while the data are still being loaded.
    await client.del('shutterlog:ready');
    return 'ready';
  } catch (error) {
    return reasonOf(error);
  } finally {
    client.disconnect();
  }
}
