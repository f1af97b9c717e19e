import { chmodSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ensurePrograms, findProgram, type Program } from './programs.ts';
import { prepareVideoPrograms } from './video-programs.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shutterlog-programs-'));
  // A machine with a shell and nothing else.
  symlinkSync('/bin/sh', join(folder, 'sh'));
  vi.stubEnv('PATH', folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('programs of the machine', () => {
  it('are taken from PATH without touching a package manager', () => {
    script('redis-server', 'exit 0');
    script('brew', 'exit 1');
    expect(ensurePrograms([redis], silent)).toEqual([join(folder, 'redis-server')]);
  });

  it('are installed when they are missing, and the person is told', () => {
    script('brew', `printf '#!/bin/sh\\n' > ${folder}/redis-server; /bin/chmod +x ${folder}/redis-server`);
    const said: string[] = [];
    expect(ensurePrograms([redis], (line) => said.push(line))).toEqual([join(folder, 'redis-server')]);
    expect(said).toEqual(['installing redis with brew (may take some minutes)']);
  });

  it('are named, with the command and the variable that help, when no package manager is there', () => {
    expect(() => ensurePrograms([redis], silent)).toThrow(
      'Redis not found, and no package manager that this script knows is on PATH: run "apt-get install redis-server", or set REDIS_URL to a running server',
    );
  });

  it('are installed once another program lets go of the package manager, and the person is told why it takes so long', () => {
    // Locked at the first call of either step.
    script(
      'apt-get',
      `[ -e ${folder}/$1 ] || { : > ${folder}/$1; echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)" >&2; exit 100; }
[ $1 = update ] || { printf '#!/bin/sh\\n' > ${folder}/redis-server; /bin/chmod +x ${folder}/redis-server; }`,
    );
    const said: string[] = [];
    expect(ensurePrograms([redis], (line) => said.push(line), { limitMs: 60_000, pauseMs: 1 })).toEqual([
      join(folder, 'redis-server'),
    ]);
    const waiting = 'another program is using apt-get: waiting for it, up to 1 minutes';
    expect(said).toEqual(['installing redis-server with apt-get (may take some minutes)', waiting, waiting]);
  });

  it('are named when the package manager stays locked', () => {
    script(
      'apt-get',
      'echo "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?" >&2; exit 100',
    );
    expect(() => ensurePrograms([redis], silent, { limitMs: 0, pauseMs: 1 })).toThrow(
      'another program has been using apt-get for 0 minutes: run "apt-get install redis-server"',
    );
  });

  it('are named with the reason when the package manager fails', () => {
    script('brew', 'echo "no network" >&2; exit 1');
    expect(() => ensurePrograms([redis], silent)).toThrow('brew failed: no network: run "brew install redis"');
  });

  it('are named when the package did not bring them', () => {
    script('brew', 'exit 0');
    expect(() => ensurePrograms([redis], silent)).toThrow('it is not there even after its package was installed');
  });

  it('are also looked for in the folders outside PATH, and must be executable', () => {
    const elsewhere = mkdtempSync(join(folder, 'bin-'));
    writeFileSync(join(elsewhere, 'postgres'), '');
    expect(findProgram('postgres', [elsewhere])).toBeUndefined();
    chmodSync(join(elsewhere, 'postgres'), 0o755);
    expect(findProgram('postgres', [elsewhere])).toBe(join(elsewhere, 'postgres'));
  });
});

describe('the video programs', () => {
  it('are installed like the others', () => {
    script('brew', `printf '#!/bin/sh\\n' > ${folder}/ffmpeg; /bin/chmod +x ${folder}/ffmpeg`);
    const said: string[] = [];
    prepareVideoPrograms(undefined, (line) => said.push(line));
    expect(said).toEqual(['installing ffmpeg with brew (may take some minutes)']);
    expect(findProgram('ffmpeg')).toBe(join(folder, 'ffmpeg'));
  });

  it('are a line, and no reason to stop, where they cannot be had', () => {
    script('brew', 'echo "no network" >&2; exit 1');
    const said: string[] = [];
    prepareVideoPrograms('auto', (line) => said.push(line));
    expect(said.at(-1)).toBe(
      '  Videos will be refused: ffmpeg not found, and brew failed: no network: run "brew install ffmpeg"',
    );
  });

  it.each(['on', 'off'])('are left alone where VIDEO_UPLOADS is %s', (setting) => {
    script('brew', `: > ${folder}/called`);
    prepareVideoPrograms(setting, (line) => {
      throw new Error(line);
    });
    expect(existsSync(join(folder, 'called'))).toBe(false);
  });
});

const redis: Program = {
  title: 'Redis',
  binary: 'redis-server',
  addressVariable: 'REDIS_URL',
  packages: { 'apt-get': 'redis-server', dnf: 'redis', apk: 'redis', brew: 'redis' },
};
const silent = () => undefined;

function script(name: string, body: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(folder, name), 0o755);
}
