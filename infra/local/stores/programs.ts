import { spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { StartError } from '../start-error.ts';

/** A program that the stack needs from the machine, and the package that brings it under each package manager. */
export type Program = {
  /** How people call it. */
  title: string;
  binary: string;
  packages: Record<PackageManager, string>;
  /** The environment variable that names a running server instead, when there is one. */
  addressVariable?: string;
  /** Folders to look in beside PATH. */
  folders?: () => string[];
};

export type PackageManager = 'apt-get' | 'dnf' | 'apk' | 'brew';

const INSTALL: Record<PackageManager, string[][]> = {
  'apt-get': [
    ['apt-get', 'update', '-qq'],
    ['apt-get', 'install', '-y', '-qq', '--no-install-recommends'],
  ],
  dnf: [['dnf', 'install', '-y', '-q']],
  apk: [['apk', 'add', '-q']],
  brew: [['brew', 'install', '-q']],
};
const MANAGERS = ['apt-get', 'dnf', 'apk', 'brew'] as const;
const INSTALL_LIMIT_MS = 900_000;
/** Another installation may hold the package manager, as on a machine that has just started and updates itself. */
const LOCK_PATIENCE = { limitMs: 300_000, pauseMs: 2_000 };
const LOCKED =
  /could not get lock|unable to (?:acquire|lock)|temporarily unavailable|waiting for (?:process|lock)|already locked/i;

export const POSTGRES: Program = {
  title: 'PostgreSQL',
  binary: 'postgres',
  packages: { 'apt-get': 'postgresql', dnf: 'postgresql-server', apk: 'postgresql', brew: 'postgresql@17' },
  addressVariable: 'DATABASE_URL',
  folders: postgresFolders,
};
export const REDIS: Program = {
  title: 'Redis',
  binary: 'redis-server',
  packages: { 'apt-get': 'redis-server', dnf: 'redis', apk: 'redis', brew: 'redis' },
  addressVariable: 'REDIS_URL',
};

/** Brings ffprobe as well. */
export const FFMPEG: Program = {
  title: 'ffmpeg',
  binary: 'ffmpeg',
  packages: { 'apt-get': 'ffmpeg', dnf: 'ffmpeg-free', apk: 'ffmpeg', brew: 'ffmpeg' },
};

/** Debian, Fedora and Homebrew keep the server's programs outside PATH, one folder for each version; newest first. */
export function postgresFolders(): string[] {
  const debian = versionsUnder('/usr/lib/postgresql', /^\d+$/).map((path) => join(path, 'bin'));
  const brew = ['/opt/homebrew/opt', '/usr/local/opt']
    .flatMap((root) => versionsUnder(root, /^postgresql@\d+$/))
    .map((path) => join(path, 'bin'));
  return [...debian, ...brew, '/usr/pgsql/bin', '/usr/libexec/postgresql'];
}

/** The full path of a program on PATH or in one of the folders, or undefined. */
export function findProgram(binary: string, folders: string[] = []): string | undefined {
  const places = [...(process.env['PATH'] ?? '').split(delimiter), ...folders].filter((place) => place !== '');
  return places.map((place) => join(place, binary)).find(isExecutable);
}

/**
 * The paths of the programs, installing those that are missing with the system's package manager where this process
 * may. Throws StartError that says what to install when it may not, or when the installation fails.
 */
export function ensurePrograms(programs: Program[], say: (line: string) => void, patience = LOCK_PATIENCE): string[] {
  const missing = programs.filter(isMissing);
  if (missing.length > 0) install(missing, say, patience);
  return programs.map(
    (program) => locate(program) ?? refuse([program], 'it is not there even after its package was installed'),
  );
}

/** Whether this machine lacks a program. */
export const isMissing = (program: Program): boolean => locate(program) === undefined;

const locate = (program: Program) => findProgram(program.binary, program.folders?.() ?? []);

function install(missing: Program[], say: (line: string) => void, patience: typeof LOCK_PATIENCE): void {
  const manager = MANAGERS.find((name) => findProgram(name) !== undefined);
  if (manager === undefined) refuse(missing, 'no package manager that this script knows is on PATH');
  const prefix = privilege(manager);
  if (prefix === undefined) refuse(missing, 'installing needs root or sudo without a password', manager);
  const packages = missing.map((program) => program.packages[manager]);
  say(`installing ${packages.join(' and ')} with ${manager} (may take some minutes)`);
  const steps = INSTALL[manager];
  for (const [index, step] of steps.entries()) {
    const last = index === steps.length - 1;
    const [command = '', ...args] = [...prefix, ...step, ...(last ? packages : [])];
    const done = runUnlocked(command, args, {
      patience,
      onLocked: () => {
        say(`another program is using ${manager}: waiting for it, up to ${patience.limitMs / 60_000} minutes`);
      },
    });
    if (isLocked(done))
      refuse(missing, `another program has been using ${manager} for ${patience.limitMs / 60_000} minutes`, manager);
    if (last && done.status !== 0) refuse(missing, `${manager} failed: ${lastLineOf(done.stderr)}`, manager);
  }
}

type Done = { readonly status: number | null; readonly stderr: string };

/** Runs a step of the package manager again, until its limit, while it only says that somebody else holds its lock. */
function runUnlocked(
  command: string,
  args: string[],
  { patience, onLocked }: { patience: typeof LOCK_PATIENCE; onLocked: () => void },
): Done {
  const deadline = Date.now() + patience.limitMs;
  // RUNLEVEL=1 keeps Debian's packages from starting servers of their own on the usual ports.
  const env = {
    ...process.env,
    DEBIAN_FRONTEND: 'noninteractive',
    RUNLEVEL: '1',
    HOMEBREW_NO_AUTO_UPDATE: '1',
    LC_ALL: 'C',
  };
  for (let told = false; ; told = true) {
    const done = spawnSync(command, args, {
      env,
      encoding: 'utf8',
      timeout: INSTALL_LIMIT_MS,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (!isLocked(done) || Date.now() >= deadline) return done;
    if (!told) onLocked();
    // A process, so that Ctrl-C reaches it and ends the waiting.
    if (
      spawnSync(process.execPath, ['-e', `setTimeout(() => {}, ${patience.pauseMs})`], { stdio: 'ignore' }).status !== 0
    )
      return done;
  }
}

function isLocked({ status, stderr }: Done): boolean {
  return status !== 0 && LOCKED.test(stderr);
}

function privilege(manager: PackageManager): string[] | undefined {
  if (manager === 'brew' || process.getuid?.() === 0) return [];
  const sudo = findProgram('sudo');
  return sudo !== undefined && spawnSync(sudo, ['-n', 'true'], { stdio: 'ignore' }).status === 0
    ? [sudo, '-n']
    : undefined;
}

function refuse(missing: Program[], reason: string, manager: PackageManager = 'apt-get'): never {
  const names = missing.map((program) => program.title).join(' and ');
  const command = `${manager} install ${missing.map((program) => program.packages[manager]).join(' ')}`;
  const addresses = missing
    .map((program) => program.addressVariable)
    .filter((name) => name !== undefined)
    .join(' and ');
  throw new StartError(
    `${names} not found, and ${reason}: run "${command}"${addresses === '' ? '' : `, or set ${addresses} to a running server`}`,
  );
}

const lastLineOf = (text: string | null) => text?.trim().split('\n').at(-1) ?? 'it printed nothing';

function versionsUnder(root: string, pattern: RegExp): string[] {
  try {
    return readdirSync(root)
      .filter((name) => pattern.test(name))
      .sort((a, b) => Number(b.replace(/\D/g, '')) - Number(a.replace(/\D/g, '')))
      .map((name) => join(root, name));
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
