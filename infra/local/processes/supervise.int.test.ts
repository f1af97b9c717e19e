import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openChildRegistry } from './child-registry.ts';
import { createChildren, type Child, type Children } from './children.ts';
import { processStamp } from './process-identity.ts';
import { StartError } from '../start-error.ts';
import { supervise } from './supervise.ts';

let dataDir = '';
let children: Children;
let said: string[] = [];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'shutterlog-supervise-'));
  children = createChildren(dataDir, openChildRegistry(dataDir));
  said = [];
});
afterEach(async () => {
  await children.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const say = (line: string) => {
  said.push(line);
};
const quick = { first: 1, most: 4, steady: 60_000 };

describe('supervise', () => {
  it('starts a process again when it is killed, and says so', async () => {
    const { started, start } = starter(() => sleeper());
    const part = await supervise('app', { start, say, backoffMs: quick });
    process.kill(started[0]!.pid, 'SIGKILL');
    await expect.poll(() => said).toEqual(['app ended (SIGKILL); starting it again in 0.001 s', 'app is back']);
    expect(started).toHaveLength(2);
    await part.stop();
    expect(started.map(({ pid }) => processStamp(pid))).toEqual([undefined, undefined]);
  });

  it('keeps trying, with growing waits, while the process cannot come up', async () => {
    let failures = 3;
    const { started, start } = starter(() => {
      if (started.length > 0 && failures-- > 0) throw new StartError('the port is taken');
      return sleeper();
    });
    const part = await supervise('app', { start, say, backoffMs: quick });
    process.kill(started[0]!.pid, 'SIGKILL');
    await expect.poll(() => said.at(-1)).toBe('app is back');
    expect(said.filter((line) => line === 'the port is taken')).toHaveLength(3);
    await part.stop();
  });

  it('waits longer after each trouble, and as at first after one that had run long enough', async () => {
    const pausesOf = async (steady: number): Promise<(string | undefined)[]> => {
      const { started, start } = starter(() => sleeper());
      const part = await supervise('app', { start, say, backoffMs: { ...quick, steady } });
      said = [];
      for (let trouble = 1; trouble <= 3; trouble += 1) {
        process.kill(started.at(-1)!.pid, 'SIGKILL');
        await expect.poll(() => said.filter((line) => line === 'app is back')).toHaveLength(trouble);
      }
      await part.stop();
      return said.flatMap((line) => /again in (\S+) s/.exec(line)?.[1] ?? []);
    };
    expect(await pausesOf(60_000)).toEqual(['0.001', '0.002', '0.004']);
    expect(await pausesOf(0)).toEqual(['0.001', '0.001', '0.001']);
  });

  it('starts nothing again once everything is being stopped', async () => {
    const stopping = new AbortController();
    const { started, start } = starter(() => sleeper());
    await supervise('app', { start, say, backoffMs: quick, signal: stopping.signal });
    stopping.abort();
    process.kill(started[0]!.pid, 'SIGKILL');
    await started[0]!.ended;
    await children.close();
    expect([started.length, said]).toEqual([1, []]);
  });

  it('stops what comes up only after everything is being stopped', async () => {
    const stopping = new AbortController();
    const { started, start } = starter(async () => {
      const child = await sleeper();
      stopping.abort();
      return child;
    });
    await expect(supervise('app', { start, say, backoffMs: quick, signal: stopping.signal })).rejects.toThrow(
      'everything is being stopped',
    );
    expect(started.map(({ pid }) => processStamp(pid))).toEqual([undefined]);
  });

  it('does not start again what was told to stop', async () => {
    const { started, start } = starter(() => sleeper());
    const part = await supervise('app', { start, say, backoffMs: quick });
    await part.stop();
    await part.stop();
    expect(started).toHaveLength(1);
    expect(said).toEqual([]);
  });

  it('rejects when the first start fails', async () => {
    await expect(supervise('app', { start: () => Promise.reject(new StartError('no database')), say })).rejects.toThrow(
      'no database',
    );
  });
});

describe('children', () => {
  it('says which program cannot be run', async () => {
    await expect(
      children.start({ name: 'redis', command: '/nowhere/redis-server', args: [], env: {} }),
    ).rejects.toThrow('redis: /nowhere/redis-server cannot be run');
  });

  it('keeps the last words of a child that ended', async () => {
    const child = await children.start({
      name: 'app',
      command: 'sh',
      args: ['-c', 'echo out; echo "cannot start" >&2; exit 3'],
      env: process.env,
    });
    expect(await child.ended).toEqual({ code: 3, signal: null });
    expect(child.lastLines().toSorted()).toEqual(['cannot start', 'out']);
  });

  it('starts nothing more once it is closed', async () => {
    await children.close();
    await expect(sleeper()).rejects.toThrow('everything is being stopped');
  });
});

function starter(make: () => Promise<Child>) {
  const started: Child[] = [];
  const start = async () => {
    const child = await make();
    started.push(child);
    return child;
  };
  return { started, start };
}

function sleeper(): Promise<Child> {
  return children.start({ name: 'app', command: 'sleep', args: ['600'], env: process.env });
}
