import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { processStamp } from '../infra/local/processes/process-identity.ts';
import { openScratch } from '../testing/scratch.ts';

const SCRIPT = fileURLToPath(new URL('../testing/bench-process.ts', import.meta.url));
const Started = z.object({ directory: z.string(), server: z.int() });

async function killed(signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGKILL') {
  const run = spawn(process.execPath, [SCRIPT], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(run.stdout), 'line')) as [string];
  const started = Started.parse(JSON.parse(line));
  const ended = once(run, 'exit');
  run.kill(signal);
  await ended;
  return { ...started, isLeft: () => processStamp(started.server) !== undefined || existsSync(started.directory) };
}

it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  'a benchmark that gets %s leaves neither its servers nor its files',
  async (signal) => {
    expect((await killed(signal)).isLeft()).toBe(false);
  },
);

it('a benchmark that was killed at once leaves nothing after the next one has begun', async () => {
  const { isLeft } = await killed('SIGKILL');
  expect(isLeft()).toBe(true);
  const next = await openScratch('bench');
  expect(isLeft()).toBe(false);
  await next.dispose();
});
