import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Children } from '../processes/children.ts';
import { readTextFile } from '../files.ts';
import { findProgram, postgresFolders } from './programs.ts';
import { StartError } from '../start-error.ts';
import type { Runner } from './system-user.ts';

export type ClusterOptions = {
  children: Children;
  program: string;
  directory: string;
  role: string;
  password?: string;
};

/**
 * The `postgres` program that can serve an existing cluster: only the major version that made it can, and a machine may
 * have several. Undefined when there is no cluster yet; StartError when that version has gone.
 */
export function programForCluster({ directory, program }: { directory: string; program: string }): string | undefined {
  const version = readTextFile(join(directory, 'PG_VERSION'))?.trim();
  if (version === undefined) return undefined;
  const candidates = [program, ...postgresFolders().map((folder) => join(folder, 'postgres'))];
  const fitting = candidates.find((candidate) => existsSync(candidate) && majorVersion(candidate) === version);
  if (fitting !== undefined) return fitting;
  throw new StartError(
    `${directory} was made by PostgreSQL ${version}, which is no longer on this machine: install it again, or choose another --data-dir`,
  );
}

function majorVersion(program: string): string | undefined {
  return /\b(\d+)/.exec(spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout)?.[1];
}

/**
 * Makes a UTF-8 cluster with one role and returns the program that serves it. Throws StartError with initdb's reason.
 */
export async function createCluster(options: ClusterOptions, runner: Runner): Promise<string> {
  const { program, directory } = options;
  const initdb = findProgram('initdb', [dirname(program), ...postgresFolders()]);
  if (initdb === undefined)
    throw new StartError(`initdb is not beside ${program}: install the PostgreSQL server package`);
  // Built aside and renamed, so that a start that was cut short leaves no half-made cluster. macOS may lack C.UTF-8.
  const building = `${directory}.building`;
  const failures: string[] = [];
  for (const locale of ['C.UTF-8', 'C']) {
    const failure = await runInitdb(initdb, { ...options, directory: building }, { runner, locale });
    if (failure === undefined) {
      renameSync(building, directory);
      return program;
    }
    failures.push(failure);
  }
  throw new StartError(`PostgreSQL's initdb failed: ${failures[0] ?? 'it printed nothing'}`);
}

async function runInitdb(
  initdb: string,
  options: ClusterOptions,
  { runner, locale }: { runner: Runner; locale: string },
): Promise<string | undefined> {
  const { children, directory, role, password } = options;
  const passwordFile = `${directory}.password`;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  runner.own(directory);
  if (password !== undefined) {
    writeFileSync(passwordFile, password, { mode: 0o600 });
    runner.own(passwordFile);
  }
  const auth = password === undefined ? ['-A', 'trust'] : ['-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
  const program = runner.command(initdb, ['-D', directory, '-U', role, '-E', 'UTF8', `--locale=${locale}`, ...auth]);
  try {
    // A child like the others: whoever wants everything to stop does not wait for it.
    const child = await children.start({ name: 'initdb', ...program, cwd: '/', env: { ...process.env, LC_ALL: 'C' } });
    const { code } = await child.ended;
    return code === 0 ? undefined : (child.lastLines().at(-1) ?? 'it printed nothing');
  } finally {
    rmSync(passwordFile, { force: true });
  }
}
