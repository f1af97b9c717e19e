import { PROJECT_ROOT } from '../apps.ts';
import type { Children } from '../processes/children.ts';
import { isMissing, POSTGRES, REDIS, type Program } from './programs.ts';
import { StartError } from '../start-error.ts';

/** The programs that a start may install. */
export const INSTALLABLE: readonly Program[] = [POSTGRES, REDIS];

/**
 * Installs those of the programs that this machine lacks, in a process of its own: a package manager may take minutes,
 * and whoever wants the start to stop does not wait for it. Throws StartError that says what to install when that
 * fails.
 */
export async function installMissing(
  programs: readonly Program[],
  { children, print }: { children: Children; print: (line: string) => void },
): Promise<void> {
  const missing = programs.filter(isMissing);
  if (missing.length === 0) return;
  const child = await children.start({
    name: 'install',
    command: process.execPath,
    args: ['infra/local/stores/install-main.ts', ...missing.map(({ binary }) => binary)],
    cwd: PROJECT_ROOT,
    env: process.env,
    onLine: (line) => {
      if (!line.startsWith(REFUSAL)) print(line);
    },
  });
  const { code } = await child.ended;
  if (code !== 0)
    throw new StartError(
      child
        .lastLines()
        .find((line) => line.startsWith(REFUSAL))
        ?.slice(REFUSAL.length) ??
        `the installation of ${missing.map(({ title }) => title).join(' and ')} was cut short (${children.logFile('install')})`,
    );
}

/** What the line begins with by which the installing process says why it failed. */
export const REFUSAL = 'refused: ';
