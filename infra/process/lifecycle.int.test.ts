import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const processes: ChildProcess[] = [];
afterEach(() => {
  for (const one of processes.splice(0)) one.kill('SIGKILL');
});

describe('a process', () => {
  it('releases what it holds, last in, first out, when the process that started it is gone', async () => {
    const { child, lines, ended, said } = run(`own('first', release); own('second', release);`);
    await said('"msg":"ready"');
    child.disconnect();
    expect(await ended).toBe(0);
    expect(lines.filter((line) => line.startsWith('released'))).toEqual(['released second', 'released first']);
  });

  it('ends as well when that happened before it listened', async () => {
    const { child, lines, ended } = run(
      `own('first', release);`,
      'await new Promise((go) => { const look = setInterval(() => { if (!process.connected) { clearInterval(look); go(); } }, 5); });',
    );
    child.disconnect();
    expect(await ended).toBe(0);
    expect(lines).toContain('released first');
  });

  it('does not stay alive for the channel to the process that started it', async () => {
    const { ended } = run('own("first", release); throw new Error("no database");');
    expect(await ended).toBe(1);
  });

  it('obeys an order to stop while it is still opening, and releases what is open', async () => {
    const { child, lines, ended, said } = run(
      `own('first', release); console.log('waits'); await new Promise(() => {});`,
    );
    await said('waits');
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(lines).toContain('released first');
  });
});

function run(open: string, before = '') {
  const script = `
    import { runProcess } from './infra/process/lifecycle.ts';
    import { createLog } from './infra/process/log.ts';
    ${before}
    const serving = setInterval(() => {}, 1_000);
    const release = (name) => { clearInterval(serving); console.log('released ' + name); };
    await runProcess(createLog({ process: 'test', level: 'info' }), async (own) => { ${open} });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  processes.push(child);
  const lines: string[] = [];
  const heard: (() => void)[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => {
    lines.push(line);
    for (const tell of heard) tell();
  });
  const said = (text: string) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (lines.some((line) => line.includes(text))) resolve();
      };
      heard.push(look);
      look();
    });
  // Node says 'close' of no child whose channel was closed on this side.
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', resolve);
  });
  const ended = Promise.all([exited, once(child.stdout!, 'close')]).then(([code]) => code);
  return { child, lines, ended, said };
}
