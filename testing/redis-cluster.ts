import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from '../infra/local/ports.ts';

/** A Redis Cluster of three masters, started for one test file. */
export type RedisCluster = {
  /** The addresses of all masters, as REDIS_URL takes them. */
  readonly url: string;
  close(): Promise<void>;
};

const MASTERS = 3;
const SLOTS = 16_384;
const START_LIMIT_MS = 20_000;

/** Starts three masters on free loopback ports and divides the slots among them. Rejects when `redis-server` is not there or they do not agree in time. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'shutterlog-redis-cluster-'));
  const servers: ChildProcess[] = [];
  const stop = async () => {
    await Promise.all(servers.map(async (server) => {
      if (server.exitCode !== null || server.signalCode !== null) return;
      const gone = once(server, 'exit');
      server.kill('SIGKILL');
      await gone;
    }));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const ports: number[] = [];
    for (let i = 0; i < MASTERS; i += 1) {
      const [port, busPort] = [await freePort(), await freePort()];
      ports.push(port);
      const settings = { 'port': port, 'cluster-enabled': 'yes', 'cluster-port': busPort, 'cluster-config-file': `nodes-${String(port)}.conf`, 'cluster-node-timeout': 2_000, 'bind': '127.0.0.1', 'dir': directory, 'save': '', 'appendonly': 'no' };
      const server = spawn('redis-server', Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]), { stdio: 'ignore' });
      await once(server, 'spawn');
      servers.push(server);
    }
    await formCluster(ports);
    return { url: ports.map((port) => `redis://127.0.0.1:${String(port)}`).join(','), close: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function formCluster(ports: readonly number[]): Promise<void> {
  // They may not listen yet: ioredis tries again.
  const masters = ports.map((port) => new Redis(port, '127.0.0.1', { maxRetriesPerRequest: 20 }).on('error', () => undefined));
  try {
    const deadline = performance.now() + START_LIMIT_MS;
    for (const [i, master] of masters.entries()) {
      const from = Math.floor(i * SLOTS / ports.length);
      await master.call('CLUSTER', 'ADDSLOTSRANGE', from, Math.floor((i + 1) * SLOTS / ports.length) - 1);
      await master.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
    }
    const busOf = async (master: Redis) => /:(\d+)@(\d+)/.exec(String(await master.call('CLUSTER', 'NODES'))) ?? [];
    for (const master of masters.slice(1)) {
      const [, port = '', bus = ''] = await busOf(master);
      await masters[0]?.call('CLUSTER', 'MEET', '127.0.0.1', port, bus);
    }
    for (const master of masters) await untilItAgrees(master, ports.length, deadline);
  } finally {
    for (const master of masters) master.disconnect();
  }
}

async function untilItAgrees(master: Redis, size: number, deadline: number): Promise<void> {
  while (!await agrees(master, size)) {
    if (performance.now() > deadline) throw new Error('the Redis Cluster did not form');
    await delay(50);
  }
}

async function agrees(master: Redis, size: number): Promise<boolean> {
  const info = String(await master.call('CLUSTER', 'INFO'));
  return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${String(size)}`);
}
