import { ServerResponse, type IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';
import { forward, type Forwarding } from './edge-forward.ts';

/** True for what may change the protocol of its connection; anything else that asks for it is answered in HTTP/1.1. */
export function asksForWebSocket({ method, headers }: Pick<IncomingMessage, 'method' | 'headers'>): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
}

/** A response on a connection that the server has let go of; it is closed behind the answer. */
export function answerOn(socket: Duplex, request: IncomingMessage): ServerResponse | undefined {
  // Nobody else listens to it any more, and an error without a listener would end the process.
  socket.on('error', () => {
    socket.destroy();
  });
  if (!(socket instanceof Socket)) {
    socket.destroy();
    return undefined;
  }
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => {
    socket.destroySoon();
  });
  return response;
}

/** Asks an API for a WebSocket and joins both ends; an API that answers otherwise has its answer passed on. */
export function forwardUpgrade(forwarding: Omit<Forwarding, 'extra' | 'agent' | 'silenceMs'>, head: Buffer): void {
  const { request, response } = forwarding;
  const client = request.socket;
  const asked = forward({
    ...forwarding,
    agent: undefined,
    silenceMs: undefined,
    extra: { connection: 'upgrade', upgrade: 'websocket' },
  });
  asked.once('upgrade', (answer, api, apiHead) => {
    response.detachSocket(client);
    client.setTimeout(0);
    const lines = answer.rawHeaders.flatMap((name, i) =>
      i % 2 === 0 ? [`${name}: ${answer.rawHeaders[i + 1] ?? ''}`] : [],
    );
    client.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
    client.write(apiHead);
    api.write(head);
    // When one end is gone, so is the other.
    const end = () => {
      client.destroy();
      api.destroy();
    };
    api.on('error', end);
    pipeline(client, api, end);
    pipeline(api, client, end);
  });
}
