import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { clientNetwork } from '../../http/client-address.ts';

export type ConnectionLimits = {
  /**
   * Connections of one address that wait for their client: idle, with a request that is not all there, or with the rest
   * of one behind its answer.
   */
  readonly perAddress: number;
  /** The same of all addresses. */
  readonly total: number;
};

export type WaitingConnections = {
  /** Says that a connection waits for its client, and has just heard of it. */
  wait: (socket: Socket) => void;
  /** Says that a connection waits no more, because its request is being answered. */
  leave: (socket: Socket) => void;
};

const LATE = 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n';

/**
 * Bounds the connections of a server that wait for their clients; a new one waits at once. Nobody new is refused: one
 * too many ends the one of the same address that has been silent for longest, so that whoever holds many slow
 * connections stands in nobody's way, not even their own.
 */
export function boundWaiting(server: Server, limits: ConnectionLimits): WaitingConnections {
  // Maps and sets keep the order in which members came: the longest silent stands first.
  const waiting = new Map<Socket, string>();
  const networks = new Map<string, Set<Socket>>();

  const leave = (socket: Socket) => {
    const network = waiting.get(socket);
    if (network === undefined) return;
    waiting.delete(socket);
    const others = networks.get(network);
    others?.delete(socket);
    if (others?.size === 0) networks.delete(network);
  };
  const cutOff = (socket: Socket | undefined) => {
    if (socket === undefined) return;
    leave(socket);
    // Behind its last answer there is nothing left to say.
    if (socket.writableEnded) socket.destroy();
    else
      socket.end(LATE, () => {
        socket.destroy();
      });
  };
  const wait = (socket: Socket) => {
    if (socket.destroyed) return;
    const network = waiting.get(socket) ?? clientNetwork(socket.remoteAddress);
    leave(socket);
    waiting.set(socket, network);
    const others = networks.get(network) ?? new Set();
    networks.set(network, others.add(socket));
    if (others.size > limits.perAddress) cutOff(firstOf(others));
    else if (waiting.size > limits.total) cutOff(firstOf(waiting.keys()));
  };

  server.on('connection', (socket) => {
    wait(socket);
    socket.once('close', () => {
      leave(socket);
    });
  });
  return { wait, leave };
}

function firstOf<T>(members: Iterable<T>): T | undefined {
  for (const member of members) return member;
  return undefined;
}
