import { PROJECT_ROOT } from './apps.ts';
import type { Children } from './processes/children.ts';
import { StartError } from './start-error.ts';

/**
 * Builds the read models whose live builds are of an earlier release than this program, or missing, before anybody
 * reads them. Resolves with what the command said at its end; throws StartError with why it could not.
 */
export async function bringModelsUpToDate({
  children,
  env,
}: {
  children: Children;
  env: Record<string, string>;
}): Promise<string> {
  const child = await children.start({
    name: 'models',
    lifeline: true,
    command: process.execPath,
    args: ['cli/main.ts', 'projections', 'rebuild', '--outdated'],
    cwd: PROJECT_ROOT,
    env,
  });
  const { code } = await child.ended;
  const said =
    child
      .lastLines()
      .filter((line) => !line.startsWith('{'))
      .at(-1) ?? 'no reason given';
  if (code !== 0)
    throw new StartError(
      `read models of an earlier release could not be built anew: ${said} (${children.logFile('models')})`,
    );
  return said;
}
