import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openChildRegistry } from './child-registry.ts';
import { processStamp } from './process-identity.ts';

let dataDir = '';
const spawned: number[] = [];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'shutterlog-registry-'));
});
afterEach(() => {
  for (const pid of spawned.splice(0)) if (processStamp(pid) !== undefined) process.kill(pid, 'SIGKILL');
  rmSync(dataDir, { recursive: true, force: true });
});

describe('child registry', () => {
  it('ends what an earlier run noted, the last started first, and then holds nothing', async () => {
    const earlier = openChildRegistry(dataDir);
    const pids = ['store', 'app'].map((name) => {
      const pid = sleeper();
      earlier.note({ name, pid, stopSignal: 'SIGTERM' });
      return pid;
    });
    expect(await openChildRegistry(dataDir).endLeftovers()).toEqual(['app', 'store']);
    expect(pids.map(processStamp)).toEqual([undefined, undefined]);
    expect(await openChildRegistry(dataDir).endLeftovers()).toEqual([]);
  });

  it('leaves alone a process that only has the number of a former child', async () => {
    const stranger = sleeper();
    openChildRegistry(dataDir).note({ name: 'app', pid: stranger, stopSignal: 'SIGTERM' });
    const file = join(dataDir, 'children.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace(processStamp(stranger) ?? '', 'an earlier boot:17'));
    expect(await openChildRegistry(dataDir).endLeftovers()).toEqual([]);
    expect(processStamp(stranger)).toBeDefined();
  });

  it('kills a leftover that ignores its signal', async () => {
    const stubborn = await stubbornProcess();
    openChildRegistry(dataDir).note({ name: 'app', pid: stubborn, stopSignal: 'SIGTERM' });
    expect(await openChildRegistry(dataDir).endLeftovers({ patienceMs: 200 })).toEqual(['app']);
    expect(processStamp(stubborn)).toBeUndefined();
  });

  it('forgets a child that ended by itself', async () => {
    const registry = openChildRegistry(dataDir);
    const pid = sleeper();
    registry.note({ name: 'app', pid, stopSignal: 'SIGTERM' });
    registry.forget(pid);
    expect(await openChildRegistry(dataDir).endLeftovers()).toEqual([]);
    expect(processStamp(pid)).toBeDefined();
  });

  it('refuses a damaged register by naming the file instead of forgetting its children', () => {
    writeFileSync(join(dataDir, 'children.json'), '[{"pid": ');
    expect(() => openChildRegistry(dataDir)).toThrow(join(dataDir, 'children.json'));
  });
});

function sleeper(): number {
  const pid = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).pid ?? 0;
  spawned.push(pid);
  return pid;
}

async function stubbornProcess(): Promise<number> {
  const child = spawn('sh', ['-c', 'trap "" TERM; echo deaf; while :; do sleep 1; done'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await new Promise((resolve) => {
    child.stdout.once('data', resolve);
  });
  const pid = child.pid ?? 0;
  spawned.push(pid);
  return pid;
}
