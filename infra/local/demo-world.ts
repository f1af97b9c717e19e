import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { PROJECT_ROOT } from './apps.ts';
import type { Children } from './processes/children.ts';
import { readJsonFile, writePrivateFile } from './files.ts';
import { showMaking } from './making.ts';
import { StartError } from './start-error.ts';

const Login = z.object({ username: z.string(), password: z.string() });
const DemoWorld = z.discriminatedUnion('state', [
  z.object({ state: z.literal('created'), login: Login }),
  /** The first start was told `--empty`: later ones leave the directory as its owner made it. */
  z.object({ state: z.literal('unwanted') }),
]);
export type DemoWorld = z.infer<typeof DemoWorld>;

/** A line of the script that tells how far it is. */
const Made = z.object({ done: z.number(), total: z.number() });

const SCRIPT = 'scripts/demo-world.ts';
const fileOf = (dataDir: string) => join(dataDir, 'demo-world.json');

/** What the first start on a data directory decided about the demo world, or undefined before it has. */
export function readDemoWorld(dataDir: string): DemoWorld | undefined {
  return readJsonFile(fileOf(dataDir), DemoWorld);
}

/** True when this checkout can make a demo world. */
export function canCreateDemoWorld(): boolean {
  return existsSync(join(PROJECT_ROOT, SCRIPT));
}

/** Remembers that this directory shall stay without a demo world. */
export function declineDemoWorld(dataDir: string): void {
  writePrivateFile(fileOf(dataDir), JSON.stringify({ state: 'unwanted' }));
}

/**
 * Runs the script that fills a new stack through its public API, shows how far it is, and remembers the login that it
 * prints as its last line, a JSON object with `username` and `password`. Throws StartError when it fails; the next
 * start then tries again.
 */
export async function createDemoWorld(
  dataDir: string,
  {
    children,
    env,
    print,
  }: { children: Children; env: Record<string, string | undefined>; print: (line: string) => void },
): Promise<DemoWorld> {
  const shown = showMaking('demo world', print);
  const onLine = (line: string) => {
    const made = parseLine(line, Made);
    if (made !== undefined) shown.at(made.done, made.total);
  };
  const child = await children.start({
    name: 'demo-world',
    lifeline: true,
    command: process.execPath,
    args: [SCRIPT],
    cwd: PROJECT_ROOT,
    env,
    onLine,
  });
  const { code } = await child.ended;
  shown.end();
  if (code !== 0)
    throw new StartError(
      `the demo world could not be made: ${reasonIn(child.lastLines())} (${children.logFile('demo-world')})`,
    );
  const login = child
    .lastLines()
    .map((line) => parseLine(line, Login))
    .findLast((one) => one !== undefined);
  if (login === undefined) throw new StartError(`${SCRIPT} did not end with the demo login as a line of JSON`);
  const world: DemoWorld = { state: 'created', login };
  writePrivateFile(fileOf(dataDir), JSON.stringify(world));
  return world;
}

function parseLine<T>(line: string, schema: z.ZodType<T>): T | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return schema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

// A crash of Node ends with its version; what went wrong stands above the stack.
function reasonIn(lines: readonly string[]): string {
  return lines.find((line) => /error/i.test(line))?.trim() ?? lines.at(-1) ?? 'no reason given';
}
