import { fileURLToPath } from 'node:url';
import type { Child, Children } from './processes/children.ts';
import { whenReady } from './readiness.ts';

/** The processes of Shutterlog itself; the variable that carries each one's port. */
export const APPS = {
  'write-api': { script: 'write-api/main.ts', port: 'WRITE_API_PORT' },
  'read-api': { script: 'read-api/main.ts', port: 'READ_API_PORT' },
  projector: { script: 'projections/main.ts', port: 'PROJECTOR_PORT' },
  reactor: { script: 'commands/reactions/main.ts', port: 'REACTOR_PORT' },
  edge: { script: 'infra/local/edge/edge-main.ts', port: 'PORT' },
} as const;
export type AppName = keyof typeof APPS;
export const APP_NAMES: readonly AppName[] = ['write-api', 'read-api', 'projector', 'reactor', 'edge'];

/** The folder that holds package.json. */
export const PROJECT_ROOT = fileURLToPath(new URL('../..', import.meta.url));

export type StartAppOptions = {
  children: Children;
  args?: string[];
  env: Record<string, string | undefined>;
  /** Where its health answers, such as `http://127.0.0.1:4001`. */
  url: string;
  onLine?: (line: string) => void;
};

const READY_LIMIT_MS = 90_000;
const ANSWER_LIMIT_MS = 5_000;

/**
 * Starts one process on this Node and resolves once it says it is ready. Throws StartError with its last words
 * otherwise.
 */
export async function startApp(name: AppName, options: StartAppOptions): Promise<Child> {
  const child = await options.children.start({
    name,
    lifeline: true,
    command: process.execPath,
    args: [APPS[name].script, ...(options.args ?? [])],
    cwd: PROJECT_ROOT,
    env: options.env,
    ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
  });
  return whenReady(child, {
    children: options.children,
    title: name,
    limitMs: READY_LIMIT_MS,
    ask: () => askHealth(options.url),
  });
}

async function askHealth(url: string): Promise<string> {
  try {
    const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    const body = await response.text();
    return response.ok ? 'ready' : `it answers ${response.status} ${body.slice(0, 300)}`;
  } catch {
    return 'no answer';
  }
}
