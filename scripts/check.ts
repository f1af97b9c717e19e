import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** `npm run check`: types, lint, format and generated files, all of them even when one fails; exit 1 when any does. */
type Check = { name: string; args: string[] };

const root = fileURLToPath(new URL('..', import.meta.url));
const checks: Check[] = [
  { name: 'types', args: ['node_modules/typescript/bin/tsc', '--noEmit'] },
  { name: 'lint', args: ['node_modules/eslint/bin/eslint.js', '--max-warnings', '0', '.'] },
  { name: 'format', args: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'] },
  { name: 'docs/map.svg', args: ['scripts/map-picture.ts', '--check'] },
  { name: 'unused files, exports and dependencies', args: ['node_modules/knip/bin/knip.js', '--no-progress'] },
  { name: 'docs/events.md', args: ['scripts/generate-events-doc.ts', '--check'] },
];

const outcomes = await Promise.all(checks.map(runCheck));
process.exitCode = outcomes.every((passed) => passed) ? 0 : 1;

function runCheck({ name, args }: Check): Promise<boolean> {
  const started = performance.now();
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
  return new Promise((resolve) => {
    child.once('close', (code) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      if (code !== 0) process.stdout.write(Buffer.concat(output));
      console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
      resolve(code === 0);
    });
  });
}
