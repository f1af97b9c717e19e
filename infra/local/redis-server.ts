import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Child, Children } from './children.ts';
import { writePrivateFile } from './files.ts';
import { StartError } from './start-error.ts';

export type RedisOptions = {
  children: Children;
  /** Path of the `redis-server` program. */
  program: string;
  directory: string;
  port: number;
  /** Without one, everybody on this machine may connect. */
  password?: string;
  /** Lines of redis.conf on top of the defaults (one second of writes at most is lost in a crash). */
  settings?: Record<string, string>;
};

const DEFAULTS = { bind: '127.0.0.1', appendonly: 'yes', appendfsync: 'everysec', save: '""', 'maxmemory-policy': 'noeviction', daemonize: 'no' };
const READY_LIMIT_MS = 60_000;
const POLL_MS = 30;

/**
 * Starts a private Redis on 127.0.0.1 and resolves to its process once it has loaded its data and answers.
 * Throws StartError with the server's last words when it does not come up.
 */
export async function startRedis(options: RedisOptions): Promise<Child> {
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const file = join(options.directory, 'redis.conf');
  const settings = {
    ...DEFAULTS, port: String(options.port), dir: `"${options.directory}"`,
    ...(options.password === undefined ? {} : { requirepass: options.password }), ...options.settings,
  };
  // In a file, because arguments (and a password among them) can be read by every user of the machine.
  writePrivateFile(file, Object.entries(settings).map(([name, value]) => `${name} ${value}\n`).join(''));
  const child = await options.children.start({ name: 'redis', command: options.program, args: [file], env: { ...process.env, LC_ALL: 'C' } });
  await whenReady(child, options);
  return child;
}

/** The address of a server that `startRedis` brings up with the same options. */
export function redisUrl({ port, password }: Pick<RedisOptions, 'port' | 'password'>): string {
  return `redis://${password === undefined ? '' : `:${password}@`}127.0.0.1:${port}`;
}

async function whenReady(child: Child, options: RedisOptions): Promise<void> {
  const log = options.children.logFile('redis');
  const deadline = Date.now() + READY_LIMIT_MS;
  while (Date.now() < deadline) {
    if (child.hasEnded()) throw new StartError(`Redis did not start: ${child.lastLines().at(-1) ?? 'it printed nothing'} (${log})`);
    if (await answers(redisUrl(options))) return;
    await delay(POLL_MS);
  }
  await child.stop();
  throw new StartError(`Redis was not ready within ${READY_LIMIT_MS / 1000} s: see ${log}`);
}

async function answers(url: string): Promise<boolean> {
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: null, connectTimeout: 2_000 });
  client.on('error', () => undefined);
  try {
    // A write is what callers need, and it is refused while the data are still being loaded.
    return await client.connect().then(() => client.del('shutterlog:ready')) >= 0;
  } catch {
    return false;
  } finally {
    client.disconnect();
  }
}
