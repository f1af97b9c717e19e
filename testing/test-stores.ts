import { join } from 'node:path';
import type { Children } from '../infra/local/processes/children.ts';
import { freePort } from '../infra/local/processes/ports.ts';
import { postgresUrl, startPostgres } from '../infra/local/stores/postgres-server.ts';
import { ensurePrograms, POSTGRES, REDIS, type Program } from '../infra/local/stores/programs.ts';
import { redisUrl, startRedis } from '../infra/local/stores/redis-server.ts';

export type TestStoreOptions = {
  directory: string;
  children: Children;
  env: Record<string, string | undefined>;
  say: (line: string) => void;
  /** Benchmarks measure stores that keep what they acknowledge; tests do not wait for disks. */
  durable?: boolean;
};

const MANY_CLIENTS = { max_connections: '400', shared_buffers: '256MB' };
const NO_DISK = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
const NO_PERSISTENCE = { appendonly: 'no' };

/**
 * The stores of a test run, as the variables that `createTestDatabase` and `createTestRedis` read: those that the
 * environment names, otherwise private ones. Rejects with StartError when one cannot be had.
 */
export async function startTestStores(options: TestStoreOptions): Promise<Record<string, string>> {
  const { env, say } = options;
  const wanted = [...(env['TEST_DATABASE_URL'] ? [] : [POSTGRES]), ...(env['TEST_REDIS_URL'] ? [] : [REDIS])];
  const paths = ensurePrograms(wanted, say);
  const pathOf = (program: Program) => paths[wanted.indexOf(program)];
  const [databaseUrl, redis] = await Promise.all([
    env['TEST_DATABASE_URL'] || testPostgres(options, pathOf(POSTGRES) ?? ''),
    env['TEST_REDIS_URL'] || testRedis(options, pathOf(REDIS) ?? ''),
  ]);
  return { TEST_DATABASE_URL: databaseUrl, TEST_REDIS_URL: redis };
}

async function testPostgres({ directory, children, durable }: TestStoreOptions, program: string): Promise<string> {
  const server = {
    children,
    program,
    directory: join(directory, 'postgres'),
    port: await freePort(),
    settings: { ...MANY_CLIENTS, ...(durable ? {} : NO_DISK) },
  };
  await startPostgres(server);
  return postgresUrl(server, 'postgres');
}

async function testRedis({ directory, children, durable }: TestStoreOptions, program: string): Promise<string> {
  const server = {
    children,
    program,
    directory: join(directory, 'redis'),
    port: await freePort(),
    settings: { databases: '512', ...(durable ? {} : NO_PERSISTENCE) },
  };
  await startRedis(server);
  return redisUrl(server);
}
