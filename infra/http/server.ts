import { createServer, type RequestListener, type Server } from 'node:http';
import type { Log } from '../process/log.ts';
import { lingerAfterAnswers } from './linger.ts';

export type RunningServer = {
  readonly port: number;
  readonly server: Server;
  /** Takes no more connections, lets running requests end (at most `drainLimitMs`), closes idle ones at once. */
  close(): Promise<void>;
};

const DRAIN_LIMIT_MS = 10_000;
/**
 * Node answers 408 to whoever is slower with the head of a request, or with all of it, an upload of a video included.
 */
const TIME_LIMITS = {
  keepAliveTimeout: 65_000,
  headersTimeout: 15_000,
  requestTimeout: 300_000,
  connectionsCheckingInterval: 5_000,
};

/**
 * Listens; resolves once the port is bound. Rejects with one clear line when the port is taken. No client ends the
 * process: a connection that fails is closed, and an error of the listening socket itself (no more file descriptors,
 * say) is told to
 * `onError` and waited out.
 */
export async function listen(
  app: RequestListener,
  options: { port: number; host: string; drainLimitMs?: number; onError?: (error: Error) => void },
): Promise<RunningServer> {
  const server = createServer(TIME_LIMITS, app);
  lingerAfterAnswers(server);
  await bound(server, options);
  server.on('error', (error) => {
    options.onError?.(error);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  let closing: Promise<void> | undefined;
  return {
    port: address.port,
    server,
    close: () => (closing ??= drain(server, options.drainLimitMs ?? DRAIN_LIMIT_MS)),
  };
}

/** Writes errors of a listening socket to a log: connections that cannot be taken at this moment. */
export function tellOf(log: Log): (error: Error) => void {
  return (error) => {
    log.warn({ err: error }, 'a connection could not be taken');
  };
}

/** Binds a server to its port. Rejects with one clear line when the port is taken. */
export function bound(server: Server, { port, host }: { port: number; host: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`port ${String(port)} is taken; choose another or stop what listens there`, { cause: error })
          : error,
      );
    };
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

/**
 * Ends a server: no more connections, idle ones closed at once, the others when they are done or `limitMs` have passed.
 */
export async function drain(server: Server, limitMs: number): Promise<void> {
  // A keep-alive connection that is answered from now on must not be used again.
  server.prependListener('request', (_request, response) => {
    response.setHeader('Connection', 'close');
  });
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  server.closeIdleConnections();
  const sweep = setInterval(() => {
    server.closeIdleConnections();
  }, 50);
  const limit = setTimeout(() => {
    server.closeAllConnections();
  }, limitMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(limit);
}
