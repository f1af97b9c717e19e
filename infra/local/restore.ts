import { PROJECT_ROOT } from './apps.ts';
import type { Children } from './processes/children.ts';
import { StartError } from './start-error.ts';

/**
 * Restores an archive of `shutterlog events export` into new stores, while nothing else runs yet that could react to
 * the past. Resolves with what the command said at its end; throws StartError with why it refused.
 */
export async function restoreArchive(
  archive: string,
  { children, env }: { children: Children; env: Record<string, string> },
): Promise<string> {
  const child = await children.start({
    name: 'restore',
    lifeline: true,
    command: process.execPath,
    args: ['cli/main.ts', 'events', 'import', archive],
    cwd: PROJECT_ROOT,
    env,
  });
  const { code } = await child.ended;
  const said =
    child
      .lastLines()
      .filter((line) => !line.startsWith('{'))
      .at(-1) ?? 'no reason given';
  if (code !== 0) throw new StartError(`${archive} could not be restored: ${said} (${children.logFile('restore')})`);
  return said;
}
