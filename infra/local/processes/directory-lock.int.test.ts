import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { lockDirectory, ownerOf } from './directory-lock.ts';
import { processStamp } from './process-identity.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'directory-lock-'));
afterAll(() => {
  rmSync(dataDir, { recursive: true, force: true });
});

function ownedByAnother(): number {
  const { pid = 0 } = spawn('sleep', ['600'], { stdio: 'ignore' });
  writeFileSync(join(dataDir, 'owner.json'), JSON.stringify({ pid, stamp: processStamp(pid) }));
  return pid;
}

it('is taken over from an owner that is killed while a start waits for it', () => {
  const owner = ownedByAnother();
  // The file tells that the start has begun; this process is busy with it, so another one kills.
  const killer = 'until [ -e "$1" ]; do :; done; sleep 0.2; kill -9 "$2"';
  spawn('sh', ['-c', killer, 'sh', join(dataDir, `owner.json.${process.pid}`), String(owner)], { stdio: 'ignore' });
  const unlock = lockDirectory(dataDir);
  expect(ownerOf(dataDir)).toBe(process.pid);
  unlock();
  expect(ownerOf(dataDir)).toBeUndefined();
});

it('is refused while its owner lives', () => {
  const owner = ownedByAnother();
  expect(() => lockDirectory(dataDir)).toThrow(`${dataDir} is in use by process ${owner}`);
  process.kill(owner, 'SIGKILL');
});
