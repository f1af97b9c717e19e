import { spawnSync } from 'node:child_process';
import { chownSync } from 'node:fs';
import { readTextFile } from '../files.ts';
import { findProgram } from './programs.ts';
import { StartError } from '../start-error.ts';

/** Runs a program as somebody who is not root; `own` gives a file or folder to that somebody. */
export type Runner = {
  command: (program: string, args: string[]) => { command: string; args: string[] };
  own: (path: string) => void;
};

/**
 * PostgreSQL refuses to run as root, so root hands it to the user `postgres`, or else `nobody`.
 * Anybody else runs it as himself. Throws StartError when root has no way to change the user.
 */
export function unprivilegedRunner(): Runner {
  if (process.getuid?.() !== 0)
    return { command: (program, args) => ({ command: program, args }), own: () => undefined };
  const user = ['postgres', 'nobody'].map(userNamed).find((found) => found !== undefined);
  const setpriv = findProgram('setpriv');
  if (user === undefined || setpriv === undefined) {
    throw new StartError(
      'PostgreSQL does not run as root and this machine has no setpriv, or neither user postgres nor nobody: start as another user, or set DATABASE_URL',
    );
  }
  const flags = setprivFlags(setpriv, user);
  return {
    command: (program, args) => ({ command: setpriv, args: [...flags, '--', program, ...args] }),
    own: (path) => {
      chownSync(path, user.uid, user.gid);
    },
  };
}

type User = { name: string; uid: number; gid: number };

function userNamed(name: string): User | undefined {
  const fields = readTextFile('/etc/passwd')
    ?.split('\n')
    .map((line) => line.split(':'))
    .find((entry) => entry[0] === name);
  return fields === undefined ? undefined : { name, uid: Number(fields[2]), gid: Number(fields[3]) };
}

function setprivFlags(setpriv: string, user: User): string[] {
  const identity = [`--reuid=${user.name}`, `--regid=${user.gid}`, '--init-groups'];
  // The data directory may lie below a folder that is closed to others, such as /root; a container may refuse the
  // capability.
  const withSearch = [...identity, '--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
  return spawnSync(setpriv, [...withSearch, '--', 'true'], { stdio: 'ignore' }).status === 0 ? withSearch : identity;
}
