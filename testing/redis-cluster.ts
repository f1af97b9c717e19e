import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { openChildRegistry, sendSignal } from '../infra/local/processes/child-registry.ts';
import { createChildren, type Child } from '../infra/local/processes/children.ts';
import { freePort } from '../infra/local/processes/ports.ts';
import { ensurePrograms, REDIS } from '../infra/local/stores/programs.ts';

/** A Redis Cluster of three masters, started for one test file. */
export type RedisCluster = {
  /** The addresses of all masters, as REDIS_URL takes them. */
  readonly url: string;
  /** Kills the given master with SIGKILL, or all that run, and resolves when they are gone. */
  kill(master?: number): Promise<void>;
  /**
   * Starts the masters that were killed, on their data if they are durable, and resolves when the cluster serves all
   * slots again.
   */
  restart(): Promise<void>;
  /**
   * Ends it; harmless when called twice. Rejects when a master has refused a command whose keys lie in several slots,
   * whatever its caller made of that.
   */
  close(): Promise<void>;
};

type Settings = Readonly<Record<string, string | number>>;
type Master = { readonly port: number; readonly busPort: number; readonly settings: Settings; child?: Child };

const MASTERS = 3;
const SLOTS = 16_384;
const SETTINGS: Settings = { 'cluster-enabled': 'yes', 'cluster-node-timeout': 2_000, bind: '127.0.0.1', save: '' };
const AGREEMENT_LIMIT_MS = 30_000;

/**
 * Starts three masters on free loopback ports and divides the slots among them; durable ones write to disk what they
 * hold. Rejects when `redis-server` is not there or they do not agree in time.
 */
export async function startRedisCluster({ durable = false } = {}): Promise<RedisCluster> {
  const [program = ''] = ensurePrograms([REDIS], () => undefined);
  const directory = await makeDirectory();
  const children = createChildren(directory, openChildRegistry(directory));
  const masters: Master[] = [];
  const refused: string[] = [];
  const end = async (ended: readonly Master[]) => {
    for (const { port, child } of ended) if (child?.hasEnded() === false) refused.push(...(await slotsCrossed(port)));
    for (const { child } of ended) if (child?.hasEnded() === false) sendSignal(child.pid, 'SIGKILL');
    await Promise.all(ended.map(({ child }) => child?.ended));
  };
  const start = async (master: Master) => {
    const args = Object.entries(master.settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
    master.child = await children.start({
      name: `redis-${String(master.port)}`,
      command: program,
      args,
      env: { ...process.env, LC_ALL: 'C' },
    });
  };
  const remove = async () => {
    await children.close();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    for (let i = 0; i < MASTERS; i += 1) {
      const [port, busPort] = [await freePort(), await freePort()];
      const own = join(directory, String(port));
      mkdirSync(own);
      const master: Master = {
        port,
        busPort,
        settings: { ...SETTINGS, port: port, 'cluster-port': busPort, dir: own, appendonly: durable ? 'yes' : 'no' },
      };
      masters.push(master);
      await start(master);
    }
    await formCluster(masters);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    url: masters.map(({ port }) => `redis://127.0.0.1:${String(port)}`).join(','),
    kill: (master) => end(masters.filter((_, i) => master === undefined || i === master)),
    restart: async () => {
      for (const master of masters) if (master.child?.hasEnded() === true) await start(master);
      await withClients(masters, untilTheyAgree);
    },
    close: async () => {
      await end(masters);
      await remove();
      if (refused.length > 0) throw new Error(`commands crossed slots: ${refused.splice(0).join('; ')}`);
    },
  };
}

// Below the directory of the test run, whose end sweeps every register of processes that it finds there.
async function makeDirectory(): Promise<string> {
  const parent = process.env['TEST_SCRATCH_DIR'] ?? tmpdir();
  mkdirSync(parent, { recursive: true });
  return mkdtemp(join(parent, 'redis-cluster-'));
}

async function withClients<T>(
  masters: readonly Pick<Master, 'port'>[],
  work: (clients: readonly Redis[]) => Promise<T>,
): Promise<T> {
  // They may not listen yet: ioredis tries again.
  const clients = masters.map(({ port }) =>
    new Redis(port, '127.0.0.1', { maxRetriesPerRequest: 20 }).on('error', () => undefined),
  );
  try {
    return await work(clients);
  } finally {
    for (const client of clients) client.disconnect();
  }
}

async function formCluster(masters: readonly Master[]): Promise<void> {
  await withClients(masters, async (clients) => {
    for (const [i, client] of clients.entries()) {
      const from = Math.floor((i * SLOTS) / clients.length);
      await client.call('CLUSTER', 'ADDSLOTSRANGE', from, Math.floor(((i + 1) * SLOTS) / clients.length) - 1);
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
    }
    for (const { port, busPort } of masters.slice(1))
      await clients[0]?.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort);
    await untilTheyAgree(clients);
  });
}

async function untilTheyAgree(clients: readonly Redis[]): Promise<void> {
  const deadline = performance.now() + AGREEMENT_LIMIT_MS;
  for (const client of clients) {
    while (!(await agrees(client, clients.length))) {
      if (performance.now() > deadline) throw new Error('the Redis Cluster did not form');
      await delay(50);
    }
  }
}

async function agrees(client: Redis, size: number): Promise<boolean> {
  const info = String(await client.call('CLUSTER', 'INFO'));
  return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${String(size)}`);
}

/** What a master counts of commands that it refused because their keys lie in several slots. */
function slotsCrossed(port: number): Promise<string[]> {
  return withClients([{ port }], async ([client]) => {
    const stats = (await client?.info('errorstats')) ?? '';
    return [...stats.matchAll(/errorstat_CROSSSLOT:count=(\d+)/g)].map(
      ([, count]) => `${String(count)} at port ${String(port)}`,
    );
  });
}
