import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { sourceFiles } from './source-files.ts';

// Scripts and composition roots do their work when they start; everything else must be importable without a trace.
const starts = (path: string) =>
  path.endsWith('main.ts') ||
  /^(?:scripts|bench|testing)\//.test(path) ||
  path.endsWith('.test.ts') ||
  !path.includes('/') ||
  /(?:worker|child)\.ts$/.test(path);

it('every module loads on plain Node, does nothing on import and keeps nothing open', async () => {
  const modules = sourceFiles()
    .map(({ path }) => path)
    .filter((path) => !starts(path));
  expect(modules.length).toBeGreaterThan(20);
  const program = `
    const failed = [];
    for (const path of ${JSON.stringify(modules)}) {
      await import('${new URL('../', import.meta.url).href}' + path).catch((error) => failed.push(path + ': ' + error.message));
    }
    console.log(JSON.stringify(failed));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    timeout: 50_000,
  });
  expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toEqual([]);
  expect(stdout.trim().split('\n')).toHaveLength(1);
});
