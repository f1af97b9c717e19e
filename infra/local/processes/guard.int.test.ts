import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openChildRegistry, readChildNotes, type ChildKind } from './child-registry.ts';
import { endOrphans } from './guard.ts';
import { processStamp } from './process-identity.ts';

let dataDir = '';
const spawned: number[] = [];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'shutterlog-guard-'));
});
afterEach(() => {
  for (const pid of spawned.splice(0)) if (processStamp(pid) !== undefined) process.kill(pid, 'SIGKILL');
  rmSync(dataDir, { recursive: true, force: true });
});

describe('what a supervisor leaves behind', () => {
  it('ends with its stores last, by the signal that they shut down by, once the programs are gone', async () => {
    const program = await shell('echo up; exec sleep 600', 'program');
    const answer = join(dataDir, 'answer');
    // The store itself says, at its end, whether the program still ran.
    const store = await shell(
      `trap 'case "$(cut -d" " -f3 /proc/${program}/stat 2>/dev/null)" in ""|Z) echo last;; *) echo early;; esac > ${answer}; exit 0' INT; echo up; while :; do sleep 0.05; done`,
      'store',
    );
    // The program does not end by itself, so that the store would have all this time to be ended too early.
    await endOrphans(dataDir, { programs: 500, stores: 10_000 });
    expect([program, store].map(processStamp)).toEqual([undefined, undefined]);
    expect(readFileSync(answer, 'utf8')).toBe('last\n');
  });

  it('is killed where it does not end by itself', async () => {
    const program = await shell('trap "" TERM; echo up; while :; do sleep 1; done', 'program');
    await endOrphans(dataDir, { programs: 500, stores: 500 });
    expect(processStamp(program)).toBeUndefined();
  });

  it('stays in the register, which may belong to another start by then', async () => {
    const program = await shell('echo up; exec sleep 600', 'program');
    await endOrphans(dataDir, { programs: 50, stores: 50 });
    expect(readChildNotes(dataDir).map(({ pid }) => pid)).toEqual([program]);
  });
});

async function shell(script: string, kind: ChildKind): Promise<number> {
  const child = spawn('sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  const pid = child.pid ?? 0;
  spawned.push(pid);
  await new Promise((resolve) => {
    child.stdout.once('data', resolve);
  });
  openChildRegistry(dataDir).note({ name: kind, kind, pid, stopSignal: kind === 'store' ? 'SIGINT' : 'SIGTERM' });
  return pid;
}
