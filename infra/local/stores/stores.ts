import { join } from 'node:path';
import type { Child, Children } from '../processes/children.ts';
import { eventStoreUrl, startEventStore } from './event-store-process.ts';
import { checkEventStore, checkPostgres, checkRedis } from './given-servers.ts';
import type { StorePorts } from '../processes/port-plan.ts';
import { startPostgres, postgresUrl } from './postgres-server.ts';
import { ensurePrograms, POSTGRES, REDIS, type Program } from './programs.ts';
import { redisUrl, startRedis } from './redis-server.ts';
import type { Secrets } from '../secrets.ts';

/** A store as the start sees it: started here (`start`), or somebody else's that only has to answer (`check`). */
export type Store = { name: string; url: string; shown: string } & (
  { start: () => Promise<Child> } | { check: () => Promise<void> }
);
export type Stores = { postgres: Store; redis: Store; eventStore: Store };

export type StoreOptions = {
  dataDir: string;
  children: Children;
  ports: StorePorts;
  secrets: Secrets;
  /** DATABASE_URL, REDIS_URL and EVENTSTORE_URL in here win over private servers. */
  env: Record<string, string>;
  print: (line: string) => void;
};

/** The programs of the stores that the environment does not name. */
export function neededPrograms({ DATABASE_URL, REDIS_URL }: Record<string, string>): Program[] {
  return [...(DATABASE_URL === undefined ? [POSTGRES] : []), ...(REDIS_URL === undefined ? [REDIS] : [])];
}

/** Decides where each store comes from, installing missing programs. Nothing runs yet. */
export function planStores(options: StoreOptions): Stores {
  const { DATABASE_URL, REDIS_URL, EVENTSTORE_URL } = options.env;
  const needed = neededPrograms(options.env);
  const programs = new Map(ensurePrograms(needed, options.print).map((path, index) => [needed[index], path]));
  return {
    postgres:
      DATABASE_URL === undefined
        ? privatePostgres(options, programs.get(POSTGRES) ?? POSTGRES.binary)
        : {
            name: 'postgres',
            url: DATABASE_URL,
            shown: 'DATABASE_URL',
            check: () => checkPostgres('DATABASE_URL', DATABASE_URL),
          },
    redis:
      REDIS_URL === undefined
        ? privateRedis(options, programs.get(REDIS) ?? REDIS.binary)
        : { name: 'redis', url: REDIS_URL, shown: 'REDIS_URL', check: () => checkRedis(REDIS_URL) },
    eventStore:
      EVENTSTORE_URL === undefined
        ? embeddedEventStore(options)
        : {
            name: 'event store',
            url: EVENTSTORE_URL,
            shown: 'EVENTSTORE_URL',
            check: () => checkEventStore(EVENTSTORE_URL),
          },
  };
}

function privatePostgres({ children, dataDir, ports, secrets }: StoreOptions, program: string): Store {
  const server = {
    children,
    program,
    directory: join(dataDir, 'postgres'),
    port: ports.postgres,
    password: secrets.POSTGRES_PASSWORD,
    settings: { max_connections: '200', shared_buffers: '256MB' },
  };
  return {
    name: 'postgres',
    url: postgresUrl(server),
    shown: `127.0.0.1:${ports.postgres}`,
    start: () => startPostgres(server),
  };
}

function privateRedis({ children, dataDir, ports, secrets }: StoreOptions, program: string): Store {
  const server = {
    children,
    program,
    directory: join(dataDir, 'redis'),
    port: ports.redis,
    password: secrets.REDIS_PASSWORD,
  };
  return { name: 'redis', url: redisUrl(server), shown: `127.0.0.1:${ports.redis}`, start: () => startRedis(server) };
}

function embeddedEventStore({ children, dataDir, ports }: StoreOptions): Store {
  const options = { children, directory: join(dataDir, 'eventstore'), port: ports.eventStore };
  return {
    name: 'event store',
    url: eventStoreUrl(ports.eventStore),
    shown: `127.0.0.1:${ports.eventStore} (embedded)`,
    start: () => startEventStore(options),
  };
}
