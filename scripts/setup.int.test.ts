import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'shutterlog-setup-'));
  for (const folder of ['scripts', 'machine', 'node_modules/.bin', 'node_modules/node'])
    mkdirSync(join(root, folder), { recursive: true });
  cpSync(fileURLToPath(new URL('setup.mjs', import.meta.url)), join(root, 'scripts/setup.mjs'));
  json('package-lock.json', lockOf('1.0.0'));
  program('machine/npm', 'echo "npm ERR! no network" >&2; exit 1');
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

describe('setup', () => {
  it('does nothing when what is installed is what the lock file says, even when that file is newer', () => {
    installed('1.0.0', 'v24.3.1');
    json('package-lock.json', lockOf('1.0.0'));
    expect(setup()).toEqual({ status: 0, said: '' });
    expect(setup()).toEqual({ status: 0, said: '' });
  });

  it('installs again when the lock file asks for another version', () => {
    installed('1.0.0', 'v24.3.1');
    setup();
    json('package-lock.json', lockOf('1.0.1'));
    expect(setup()).toMatchObject({
      status: 1,
      said: expect.stringContaining('setup: npm ci failed with exit code 1'),
    });
  });

  it('accepts that an optional package of another platform is absent, and no other', () => {
    installed('1.0.0', 'v24.3.1');
    json('package-lock.json', {
      packages: { ...lockOf('1.0.0').packages, 'node_modules/darwin-only': { version: '2.0.0', optional: true } },
    });
    expect(setup().status).toBe(0);
    json('package-lock.json', {
      packages: { ...lockOf('1.0.0').packages, 'node_modules/needed': { version: '2.0.0' } },
    });
    expect(setup().status).toBe(1);
  });

  it('installs when nothing is there, and leaves no mark when that fails', () => {
    const { status, said } = setup();
    expect(status).toBe(1);
    expect(said).toContain('no network');
    expect(existsSync(join(root, 'node_modules/.shutterlog-setup'))).toBe(false);
  });

  it('says in one line which Node it found instead of 24', () => {
    installed('1.0.0', 'v22.1.0');
    const { status, said } = setup();
    expect(status).toBe(1);
    expect(said).toMatch(
      /^setup: node_modules\/\.bin\/node should be Node 24 but is v22\.1\.0: run "npm rebuild node".*\n$/,
    );
  });
});

function setup(): { status: number | null; said: string } {
  const env = { ...process.env, PATH: `${join(root, 'machine')}:/usr/bin:/bin` };
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts/setup.mjs'), '--quiet'], {
    encoding: 'utf8',
    env,
  });
  return { status, said: stdout + stderr };
}

function installed(version: string, node: string): void {
  json('node_modules/.package-lock.json', lockOf(version));
  json('node_modules/node/package.json', { version: node.slice(1) });
  program('node_modules/.bin/node', `echo ${node}`);
}

function lockOf(version: string) {
  return { packages: { '': { name: 'x' }, 'node_modules/something': { version } } };
}

function json(path: string, value: unknown): void {
  writeFileSync(join(root, path), JSON.stringify(value));
}

function program(path: string, body: string): void {
  writeFileSync(join(root, path), `#!/bin/sh\n${body}\n`);
  chmodSync(join(root, path), 0o755);
}
