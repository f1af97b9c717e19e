import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openChildRegistry } from '../processes/child-registry.ts';
import { PROJECT_ROOT } from '../apps.ts';
import { processStamp } from '../processes/process-identity.ts';

let dataDir = '';
const holders: ChildProcess[] = [];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'shutterlog-stores-'));
});
afterEach(async () => {
  for (const holder of holders.splice(0)) holder.kill('SIGKILL');
  await openChildRegistry(dataDir).endLeftovers();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('private stores', () => {
  it('come back with their data after their parent was killed, ending what it left behind', async () => {
    const first = await hold();
    await query(first.databaseUrl, `CREATE TABLE kept AS SELECT 'photo' AS value`);
    await onRedis(first.redisUrl, (redis) => redis.set('kept', 'feed'));
    await killed(first.process);
    expect(first.pids.map(processStamp)).not.toContain(undefined);

    const second = await hold();
    expect(second.leftovers.toSorted()).toEqual(['postgres', 'redis']);
    expect(first.pids.map(processStamp)).toEqual([undefined, undefined]);
    expect(await query(second.databaseUrl, 'SELECT value FROM kept')).toEqual([{ value: 'photo' }]);
    expect(await onRedis(second.redisUrl, (redis) => redis.get('kept'))).toBe('feed');
    expect([second.databaseUrl, second.redisUrl]).toEqual([first.databaseUrl, first.redisUrl]);
  });

  it('end with their parent when it is asked to stop', async () => {
    const held = await hold();
    await ended(held.process, 'SIGTERM');
    expect(held.pids.map(processStamp)).toEqual([undefined, undefined]);
    expect((await hold()).leftovers).toEqual([]);
  });

  it('refuse a second start on a directory that is in use, naming the process', async () => {
    const first = await hold();
    await expect(hold()).rejects.toThrow(`is in use by process ${first.process.pid}`);
    expect(first.pids.map(processStamp)).not.toContain(undefined);
  });

  it('let nobody in without the password', async () => {
    const { databaseUrl, redisUrl } = await hold();
    await expect(query(databaseUrl.replace(/:[0-9a-f]{48}@/, '@'), 'SELECT 1')).rejects.toThrow();
    await expect(onRedis(redisUrl.replace(/:[0-9a-f]{48}@/, ''), (redis) => redis.get('x'))).rejects.toThrow('NOAUTH');
  });
});

const Held = z.object({
  databaseUrl: z.string(),
  redisUrl: z.string(),
  pids: z.array(z.number()),
  leftovers: z.array(z.string()),
});

async function hold() {
  const holder = spawn(process.execPath, ['testing/hold-stores.ts', dataDir], {
    cwd: PROJECT_ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  holders.push(holder);
  const problems: string[] = [];
  createInterface({ input: holder.stderr }).on('line', (line) => problems.push(line));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: holder.stdout }).once('line', resolve);
    holder.once('close', () => {
      reject(new Error(problems.join('\n')));
    });
  });
  return { ...Held.parse(JSON.parse(line)), process: holder };
}

const killed = (holder: ChildProcess) => ended(holder, 'SIGKILL');

function ended(holder: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    holder.once('exit', () => {
      resolve();
    });
    holder.kill(signal);
  });
}

async function query(connectionString: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

async function onRedis<T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  redis.on('error', () => undefined);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
