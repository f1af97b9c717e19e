import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';

/**
 * A bare connection to a server on this machine, from one of its loopback addresses, for what no HTTP client would
 * send. Its errors are nobody's concern.
 */
export async function openRaw(port: number, from = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Sends bytes as they are and reads until the server closes. */
export async function exchangeRaw(port: number, ...parts: readonly (string | Uint8Array)[]): Promise<string> {
  const socket = await openRaw(port);
  for (const part of parts) socket.write(part);
  try {
    return await text(socket);
  } finally {
    socket.destroy();
  }
}

/**
 * Sends all of a request before it reads anything, as simple clients do. Gives what it then finds; nothing after a
 * reset, which throws away what had arrived.
 */
export async function sendThenRead(port: number, ...parts: readonly (string | Uint8Array)[]): Promise<string> {
  const socket = await openRaw(port);
  socket.pause();
  for (const part of parts)
    await new Promise<void>((resolve) => {
      socket.write(part, () => {
        resolve();
      });
    });
  try {
    return await text(socket);
  } catch {
    return '';
  } finally {
    socket.destroy();
  }
}

/** The status of a raw answer; NaN when there is none. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
}
