import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/**
 * How much of a body is still taken after its answer, and how long: as long as an honest client needs to notice the
 * answer.
 */
export type LingerLimits = { readonly forMs: number; readonly bytes: number };

const LIMITS: LingerLimits = { forMs: 10_000, bytes: 128 * 1024 * 1024 };

/**
 * Lets an answer arrive that comes before the end of its request. Closing while bytes are on their way makes the system
 * answer them with a reset, and a reset throws away what the client has not read yet. So the rest of the body is read
 * and dropped, bounded; what is still coming after that finds a closed connection.
 */
export function lingerAfterAnswers(server: Server, limits: LingerLimits = LIMITS): void {
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.complete) return;
    response.once('finish', () => {
      if (!request.complete) dropRest(request, limits);
    });
  });
}

function dropRest(request: IncomingMessage, { forMs, bytes }: LingerLimits): void {
  const { socket } = request;
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
