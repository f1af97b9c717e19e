import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { appEnvironment, appUrls, edgeArgs } from '../infra/local/app-environment.ts';
import { APP_NAMES, startApp, type AppName } from '../infra/local/apps.ts';
import { openChildRegistry, sendSignal } from '../infra/local/processes/child-registry.ts';
import { createChildren, type Child } from '../infra/local/processes/children.ts';
import { eventStoreUrl, startEventStore } from '../infra/local/stores/event-store-process.ts';
import { freePort } from '../infra/local/processes/ports.ts';
import { ensureSecrets } from '../infra/local/secrets.ts';
import { createTestDatabase } from './postgres.ts';
import type { Through } from './projector-world.ts';
import { createTestRedis } from './redis.ts';

export type StackPart = AppName | 'event-store';

export type TestStack = {
  edgeUrl: string;
  writeUrl: string;
  readUrl: string;
  projectorUrl: string;
  reactorUrl: string;
  /** The whole environment of the processes: for the CLI as a child process, or for `readConfig`. */
  environment: Record<string, string>;
  /** Kills a part at once, as a power cut would, and resolves when it is gone. */
  kill: (part: StackPart) => Promise<void>;
  /** Ends a part in good order and resolves when it is gone. */
  end: (part: StackPart) => Promise<void>;
  /** Starts a part that was killed or ended, and resolves when it is ready again. */
  start: (part: StackPart) => Promise<void>;
  /** The last lines that a part printed. */
  lastLines: (part: StackPart) => string[];
  /** The process ids of the parts that run. */
  pids: () => Partial<Record<StackPart, number>>;
  /** Stops everything and removes its data. */
  stop: () => Promise<void>;
};

export type TestStackOptions = {
  /**
   * Opens a pooler that the processes reach the stack's own database through; for what needs a session they have the
   * database's own address.
   */
  through?: Through;
  /** Added to the environment of the processes. */
  env?: Record<string, string>;
  /** Parts that are not started (`start` may do it later). */
  without?: StackPart[];
  /** Servers of the test's own, instead of an event store, a database and a Redis that the stack brings. */
  servers?: { eventStoreUrl: string; databaseUrl: string; redisUrl: string };
};

type Starters = Record<StackPart, () => Promise<Child>>;

/**
 * Starts the event store, the four processes and the edge on free ports, over a database and a Redis of their own.
 * Resolves when all are ready. Whatever the test does not stop, `npm test` ends with the run.
 */
export async function startStack({
  env: given = {},
  without = [],
  servers,
  through,
}: TestStackOptions = {}): Promise<TestStack> {
  const dataDir = makeDirectory();
  const children = createChildren(dataDir, openChildRegistry(dataDir));
  const eventStorePort = await freePort();
  const stores =
    servers === undefined
      ? await ownStores(eventStorePort, through)
      : { ...servers, env: {}, close: () => Promise.resolve() };
  const env = { ...stores.env, ...given };
  const ports = {
    PORT: await freePort(),
    WRITE_API_PORT: await freePort(),
    READ_API_PORT: await freePort(),
    PROJECTOR_PORT: await freePort(),
    REACTOR_PORT: await freePort(),
  };
  const { environment } = appEnvironment({
    env,
    ports,
    dataDir,
    host: '127.0.0.1',
    publicUrl: undefined,
    secrets: ensureSecrets(dataDir).secrets,
    stores: { DATABASE_URL: stores.databaseUrl, REDIS_URL: stores.redisUrl, EVENTSTORE_URL: stores.eventStoreUrl },
  });
  const urls = appUrls(ports, '127.0.0.1');
  const inherited = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment };
  const starter = (name: AppName) => () =>
    startApp(name, {
      children,
      env: inherited,
      url: urls[name],
      args: name === 'edge' ? edgeArgs({ host: '127.0.0.1', ports, dataDir }) : [],
    });
  const starters: Starters = {
    'event-store': () => startEventStore({ children, directory: join(dataDir, 'eventstore'), port: eventStorePort }),
    'write-api': starter('write-api'),
    'read-api': starter('read-api'),
    projector: starter('projector'),
    reactor: starter('reactor'),
    edge: starter('edge'),
  };
  const parts = controlParts(starters);
  const stop = async () => {
    await Promise.all(APP_NAMES.map((name) => parts.end(name)));
    await children.close();
    await stores.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
  try {
    if (servers === undefined && !without.includes('event-store')) await parts.start('event-store');
    await Promise.all(APP_NAMES.filter((name) => !without.includes(name)).map((name) => parts.start(name)));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    edgeUrl: urls.edge,
    writeUrl: urls['write-api'],
    readUrl: urls['read-api'],
    projectorUrl: urls.projector,
    reactorUrl: urls.reactor,
    environment,
    ...parts,
    stop,
  };
}

type OwnStores = {
  eventStoreUrl: string;
  databaseUrl: string;
  redisUrl: string;
  env: Record<string, string>;
  close: () => Promise<void>;
};

async function ownStores(eventStorePort: number, through: Through | undefined): Promise<OwnStores> {
  const [database, redis] = await Promise.all([createTestDatabase(), createTestRedis()]);
  const pooler = await through?.(database.url);
  return {
    eventStoreUrl: eventStoreUrl(eventStorePort),
    databaseUrl: pooler?.url ?? database.url,
    redisUrl: redis.url,
    env: pooler === undefined ? {} : { DATABASE_LISTEN_URL: database.url },
    close: async () => {
      await pooler?.close();
      await Promise.all([database.drop(), redis.close()]);
    },
  };
}

function controlParts(starters: Starters): Pick<TestStack, 'kill' | 'end' | 'start' | 'lastLines' | 'pids'> {
  const running = new Map<StackPart, Child>();
  return {
    start: async (part) => {
      running.set(part, await starters[part]());
    },
    kill: async (part) => {
      const child = running.get(part);
      if (child === undefined || child.hasEnded()) return;
      sendSignal(-child.pid, 'SIGKILL');
      await child.ended;
    },
    end: async (part) => {
      await running.get(part)?.stop();
    },
    pids: () =>
      Object.fromEntries([...running].flatMap(([part, child]) => (child.hasEnded() ? [] : [[part, child.pid]]))),
    lastLines: (part) => running.get(part)?.lastLines() ?? [],
  };
}

// Below the directory of the test run, whose end sweeps every register of processes that it finds there.
function makeDirectory(): string {
  const parent = process.env['TEST_SCRATCH_DIR'] ?? tmpdir();
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, 'stack-'));
}
