import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * How much of a body is still taken after its answer, and how long: as long as an honest client needs to notice the
 * answer.
 */
export type LingerLimits = { readonly forMs: number; readonly bytes: number };

const LIMITS: LingerLimits = { forMs: 10_000, bytes: 128 * 1024 * 1024 };

/**
 * Lets an answer arrive that comes before the end of its request. Closing while bytes are on their way makes the system
 * answer them with a reset, and a reset throws away what the client has not read yet. So the rest of the body is read
 * and dropped, bounded, and a connection that is to be closed is closed for writing only until then.
 */
export function lingerAfterAnswers(server: Server, limits: LingerLimits = LIMITS): void {
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.complete) return;
    // Node lets go of it in the request before everybody has heard of the end.
    const { socket } = request;
    closeBehind(request, socket);
    response.once('finish', () => {
      if (!request.complete) dropRest(request, socket, limits);
    });
  });
}

/** Node closes with `destroySoon`, which does not wait for what the client still sends. */
function closeBehind(request: IncomingMessage, socket: Socket): void {
  socket.destroySoon = () => {
    Reflect.deleteProperty(socket, 'destroySoon');
    if (request.complete) {
      socket.destroySoon();
      return;
    }
    socket.end();
    request.once('close', () => {
      socket.destroy();
    });
  };
  request.once('close', () => {
    Reflect.deleteProperty(socket, 'destroySoon');
  });
}

function dropRest(request: IncomingMessage, socket: Socket, { forMs, bytes }: LingerLimits): void {
  const before = socket.bytesRead;
  const limit = setTimeout(() => {
    socket.destroy();
  }, forMs);
  request.on('data', () => {
    if (socket.bytesRead - before > bytes) socket.destroy();
  });
  request.once('close', () => {
    clearTimeout(limit);
  });
  request.resume();
}
