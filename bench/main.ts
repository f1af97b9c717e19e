import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { PROJECT_ROOT } from '../infra/local/apps.ts';
import { describeFailure } from '../infra/local/start-error.ts';
import { openScratch } from '../testing/scratch.ts';
import { startTestStores } from '../testing/test-stores.ts';
import { endOnSignal } from './child.ts';

/**
 * `npm run bench [name...]`: runs the named benchmarks, all when none is named. A benchmark is a file `bench/<name>.ts`
 * that exports `run(): Promise<void>`, prints its own table, and finds durable stores through `testing/`.
 */
const Benchmark = z.object({ run: z.custom<() => Promise<void>>((value) => typeof value === 'function') });
type Benchmark = z.infer<typeof Benchmark> & { name: string };

const say = (line: string) => {
  console.log(line);
};
const asked = process.argv.slice(2);
const benchmarks = await findBenchmarks();
const unknown = asked.filter((name) => !benchmarks.some((benchmark) => benchmark.name === name));
if (unknown.length > 0) {
  console.error(
    `no benchmark is called ${unknown.join(', ')}; there are: ${benchmarks.map(({ name }) => name).join(', ')}`,
  );
  process.exitCode = 2;
} else {
  await runAll(benchmarks.filter(({ name }) => asked.length === 0 || asked.includes(name)));
}

async function findBenchmarks(): Promise<Benchmark[]> {
  const found: Benchmark[] = [];
  for (const file of globSync('*.ts', { cwd: join(PROJECT_ROOT, 'bench') }).toSorted()) {
    if (file === 'main.ts' || file.endsWith('.test.ts')) continue;
    const parsed = Benchmark.safeParse({ ...(await import(pathToFileURL(join(PROJECT_ROOT, 'bench', file)).href)) });
    if (parsed.success) found.push({ ...parsed.data, name: basename(file, '.ts') });
  }
  return found;
}

async function runAll(chosen: Benchmark[]): Promise<void> {
  const scratch = await openScratch('bench');
  endOnSignal(scratch);
  try {
    const { directory, children } = scratch;
    Object.assign(process.env, await startTestStores({ directory, children, env: process.env, say, durable: true }), {
      TEST_SCRATCH_DIR: directory,
    });
    for (const { name, run } of chosen) {
      say(`\n# ${name}`);
      await run();
    }
  } catch (error) {
    console.error(describeFailure(error));
    process.exitCode = 1;
  } finally {
    await scratch.dispose();
  }
}
