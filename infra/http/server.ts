import { createServer, type RequestListener, type Server } from 'node:http';

export type RunningServer = {
  readonly port: number;
  readonly server: Server;
  /** Takes no more connections, lets running requests end (at most `drainLimitMs`), closes idle ones at once. */
  close(): Promise<void>;
};

const DRAIN_LIMIT_MS = 10_000;

/** Listens; resolves once the port is bound. Rejects with one clear line when the port is taken. */
export async function listen(
  app: RequestListener,
  options: { port: number; host: string; drainLimitMs?: number },
): Promise<RunningServer> {
  const server = createServer({ keepAliveTimeout: 65_000, headersTimeout: 66_000, requestTimeout: 300_000 }, app);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`port ${String(options.port)} is taken; choose another or stop what listens there`, {
              cause: error,
            })
          : error,
      );
    });
    server.listen(options.port, options.host, resolve);
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

async function drain(server: Server, limitMs: number): Promise<void> {
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
