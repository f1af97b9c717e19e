import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

/** A proxy in front of a server, for tests of what happens when the way to it is cut or slow. */
export type TcpProxy = {
  readonly port: number;
  /** Refuses connections and ends those that exist, until `mend`. */
  cut(): void;
  /** Holds every answer back for so long. */
  slow(ms: number): void;
  mend(): void;
  /** Bytes that the server has sent so far. */
  sent(): number;
  close(): Promise<void>;
};

/** Listens on a free loopback port. */
export async function openTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const way = { open: true, delayMs: 0, sent: 0 };
  const server = createServer((client) => {
    if (!way.open) {
      client.destroy();
      return;
    }
    const upstream = connect(target.port, target.host);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {
        other.destroy();
      });
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      way.sent += chunk.length;
      if (way.delayMs === 0) client.write(chunk);
      else
        void delay(way.delayMs).then(() => {
          if (!client.destroyed) client.write(chunk);
        });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  const end = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: address.port,
    cut: () => {
      way.open = false;
      end();
    },
    slow: (ms) => {
      way.delayMs = ms;
    },
    mend: () => {
      way.open = true;
      way.delayMs = 0;
    },
    sent: () => way.sent,
    close: async () => {
      end();
      server.close();
      await once(server, 'close');
    },
  };
}
