import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { openChildRegistry } from '../infra/local/processes/child-registry.ts';
import type { Scratch } from '../testing/scratch.ts';

/**
 * Starts a script of a benchmark as a process of its own, whose output the caller reads. It is noted in the directory
 * of the run, so that the end of the run ends it, or else the next run, when this one was killed.
 */
export function startScript(file: URL, args: readonly string[]): ChildProcessByStdio<null, Readable, null> {
  const path = fileURLToPath(file);
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const registry = openChildRegistry(mkdtempSync(join(process.env['TEST_SCRATCH_DIR'] ?? tmpdir(), 'script-')));
  const { pid } = child;
  if (pid !== undefined) {
    registry.note({ name: basename(path), pid, stopSignal: 'SIGTERM' });
    child.once('exit', () => {
      registry.forget(pid);
    });
  }
  return child;
}

/** Ends everything of a run, once, when this process is asked to end. */
export function endOnSignal(scratch: Pick<Scratch, 'dispose'>): void {
  let ending = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (ending) return;
      ending = true;
      void scratch.dispose().finally(() => process.exit(1));
    });
  }
}
