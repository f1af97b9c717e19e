import { mkdirSync } from 'node:fs';
import { Client, credentials } from '@grpc/grpc-js';
import { PROJECT_ROOT } from '../apps.ts';
import type { Child } from '../processes/children.ts';
import { isPortFree } from '../processes/ports.ts';
import { reasonOf, whenReady, type ServerOptions } from '../readiness.ts';

const READY_LIMIT_MS = 60_000;
const ANSWER_LIMIT_MS = 5_000;

/** The connection string of an event store that `startEventStore` brings up on a port. */
export function eventStoreUrl(port: number): string {
  return `esdb://127.0.0.1:${port}?tls=false`;
}

/**
 * Starts the embedded event store as a process and resolves once it takes calls. Throws StartError when it does not
 * come up.
 */
export async function startEventStore({
  children,
  directory,
  port,
}: Pick<ServerOptions, 'children' | 'directory' | 'port'>): Promise<Child> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const child = await children.start({
    name: 'event-store',
    kind: 'store',
    command: process.execPath,
    cwd: PROJECT_ROOT,
    env: process.env,
    args: ['infra/event-store-node/main.ts', '--port', String(port), '--data-dir', directory],
  });
  return whenReady(child, { children, title: 'the event store', limitMs: READY_LIMIT_MS, ask: () => tryCalling(port) });
}

async function tryCalling(port: number): Promise<string> {
  // gRPC waits a second after a refused connection, so it is asked only when somebody listens.
  if (await isPortFree(port)) return 'nobody listens';
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  return new Promise((resolve) => {
    client.waitForReady(Date.now() + ANSWER_LIMIT_MS, (error) => {
      client.close();
      resolve(error === undefined ? 'ready' : reasonOf(error));
    });
  });
}
