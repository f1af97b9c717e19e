import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { PROJECT_ROOT } from '../infra/local/apps.ts';
import { readTextFile } from '../infra/local/files.ts';
import { describeFailure } from '../infra/local/start-error.ts';
import { closingLines, countRun, type Counts } from './closing-line.ts';
import { openMemoryFolder } from './memory-folder.ts';
import { openScratch, type Scratch } from './scratch.ts';
import { startTestStores } from './test-stores.ts';
import { bringUpTiers, neededTiers } from './tiers.ts';

/** `npm test [-- filters]`: brings up what the tests need, runs them, and says in the last line how it went. */
const args = process.argv.slice(2);
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    interrupted.abort();
  });
const say = (line: string) => {
  console.log(line);
};

let counts: Counts = { passed: 0, failed: 1, skipped: 0 };
try {
  const scratch = await openScratch('test');
  try {
    counts = await run(scratch);
  } finally {
    await scratch.dispose();
  }
} catch (error) {
  say(describeFailure(error));
}
process.exitCode = counts.failed > 0 ? 1 : 0;
for (const line of closingLines(counts)) say(line);

async function run(scratch: Scratch): Promise<Counts> {
  const started = performance.now();
  const { directory, children } = scratch;
  const stores = await startTestStores({ directory, children, env: process.env, say });
  const tiers = await bringUpTiers(neededTiers(testFiles()), { dataDir: directory, children, env: process.env, say });
  say(`Stores ready in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  const memory = openMemoryFolder();
  try {
    const report = join(directory, 'report.json');
    const temporary = memory === undefined ? {} : { TMPDIR: memory.path };
    const exitCode = await vitest(
      { scratch, report },
      { ...process.env, ...temporary, ...stores, ...tiers.env, TEST_SCRATCH_DIR: directory },
    );
    return judge(countRun(parse(readTextFile(report)), exitCode), tiers.skipped);
  } finally {
    memory?.remove();
    await tiers.close?.();
  }
}

/** Says what was left out; where everything is expected to run (CI=true) each missing tier is a failure. */
function judge(counts: Counts, skipped: string[]): Counts {
  const strict = process.env['CI'] === 'true';
  for (const reason of skipped) say(`${strict ? 'missing' : 'skipped'} tier ${reason}`);
  return strict ? { ...counts, failed: counts.failed + skipped.length } : counts;
}

/** The test files that this run may touch: all, or those whose path holds one of the filters. */
function testFiles(): { text: string }[] {
  const filters = args.filter((arg) => !arg.startsWith('-'));
  const paths = globSync('**/*.test.ts', {
    cwd: PROJECT_ROOT,
    exclude: (name) => ['node_modules', '.data', '.git'].includes(name),
  });
  return paths
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .map((path) => ({ text: readFileSync(join(PROJECT_ROOT, path), 'utf8') }));
}

function vitest(
  { scratch, report }: { scratch: Scratch; report: string },
  env: Record<string, string | undefined>,
): Promise<number | null> {
  const workers = Math.max(2, Math.min(4, availableParallelism()));
  const options = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`, `--maxWorkers=${workers}`];
  const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...options, ...args], {
    cwd: PROJECT_ROOT,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  // Not a child of its own group: a Ctrl-C shall reach it. The register is for the run that comes after a `kill -9` of
  // this one.
  if (child.pid !== undefined) scratch.registry.note({ name: 'vitest', pid: child.pid, stopSignal: 'SIGTERM' });
  interrupted.signal.addEventListener('abort', () => {
    child.kill('SIGTERM');
  });
  if (interrupted.signal.aborted) child.kill('SIGTERM');
  return new Promise((resolve) => {
    child.once('error', () => {
      resolve(1);
    });
    child.once('close', (code) => {
      resolve(code);
    });
  });
}

function parse(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
