// Runs before every npm script, on whatever Node the machine has, with nothing installed: built-in modules only.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const WANTED_NODE = 24;
const root = fileURLToPath(new URL('..', import.meta.url));
const modules = join(root, 'node_modules');
const stamp = join(modules, '.shutterlog-setup');
const quiet = process.argv.includes('--quiet');

const lock = read(join(root, 'package-lock.json'));
if (lock === undefined) fail('package-lock.json is missing: run this inside a complete clone');
const wanted = createHash('sha256').update(lock).digest('hex');
if (read(stamp) !== wanted || pinnedNode() === undefined) {
  if (!installedAlready(lock)) install();
  verifyNode();
  writeFileSync(stamp, wanted);
}

/**
 * The packages on disk are those of the lock file: so `npm install x` by hand is not followed by a second full install.
 */
function installedAlready(lockText) {
  const installed = read(join(modules, '.package-lock.json'));
  if (installed === undefined || pinnedNode() === undefined) return false;
  const present = JSON.parse(installed).packages;
  return Object.entries(JSON.parse(lockText).packages).every(
    ([path, entry]) =>
      path === '' || (present[path] === undefined ? entry.optional === true : present[path].version === entry.version),
  );
}

function install() {
  if (!quiet) console.log('Installing dependencies with npm ci (about a minute the first time)');
  const started = Date.now();
  const done = spawnSync('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  if (done.error?.code === 'ENOENT') fail('npm is not on PATH: install Node 20 or later with npm');
  if (done.status !== 0) {
    process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}`);
    fail(`npm ci failed with exit code ${done.status}; its output stands above`);
  }
  if (!quiet) console.log(`Installed dependencies in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

/**
 * The version of the Node that npm scripts will run on, read from its package, or undefined when its binary is missing.
 */
function pinnedNode() {
  const manifest = read(join(modules, 'node', 'package.json'));
  return manifest !== undefined && existsSync(join(modules, '.bin', 'node')) ? JSON.parse(manifest).version : undefined;
}

function verifyNode() {
  const found = spawnSync(join(modules, '.bin', 'node'), ['--version'], { encoding: 'utf8' });
  if (found.status === 0 && found.stdout.startsWith(`v${WANTED_NODE}.`)) return;
  const seen = found.status === 0 ? found.stdout.trim() : 'nothing that runs';
  fail(
    `node_modules/.bin/node should be Node ${WANTED_NODE} but is ${seen}: run "npm rebuild node" (its install script must be allowed), or remove node_modules and try again`,
  );
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function fail(reason) {
  console.error(`setup: ${reason}`);
  process.exit(1);
}
