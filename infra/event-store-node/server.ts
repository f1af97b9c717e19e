import { randomUUID } from 'node:crypto';
import { resolve as resolvePath } from 'node:path';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { CommitSignal } from './commit-signal.ts';
import { LogWriter } from './storage/log-writer.ts';
import { RpcError } from './rpc-error.ts';
import { addServices } from './services.ts';
import { Storage } from './storage/storage.ts';
import { batchMessages } from './streaming-call.ts';
import type { OutgoingCall } from './streaming-call.ts';

/** Where a node keeps its log and listens. */
export interface EventStoreNodeOptions {
  /** Directory of the log, created if it is missing. One node at a time may use it. */
  readonly dataDir: string;
  /** 0 (the default) takes any free port. */
  readonly port?: number;
  /** Address to listen on, 127.0.0.1 by default: the node speaks without TLS or passwords. */
  readonly host?: string;
  /** Commits that are under way at once; by default 1 on a quick disk, more on a slow one. */
  readonly mostCommitsAtOnce?: number;
  /** Told in one line what goes wrong with the disk. */
  readonly log?: (message: string) => void;
}

/** A running node. */
export interface EventStoreNode {
  readonly port: number;
  /** Connection string for the official client. */
  readonly url: string;
  /** Answers what was submitted, ends every other call with UNAVAILABLE and closes the files. May be called again. */
  close(): Promise<void>;
}

/**
 * The largest record of a real node; a message may be as large, so that a larger append is refused by size and not cut
 * off.
 */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
const SHUTDOWN_GRACE_MS = 500;

/**
 * Starts an event store that speaks EventStoreDB's gRPC protocol, with its log in one directory. Every append is on
 * disk (fsync) before it is acknowledged. Rejects if the directory is in use or unusable, or the port is taken.
 */
export async function startEventStoreNode(options: EventStoreNodeOptions): Promise<EventStoreNode> {
  const host = options.host ?? '127.0.0.1';
  const dataDir = resolvePath(options.dataDir);
  const storage = await Storage.open(dataDir, options.mostCommitsAtOnce);
  const signal = new CommitSignal();
  const writer = new LogWriter(storage, {
    onCommit: (streamNames) => signal.notify(streamNames),
    onFailure: (error) =>
      options.log?.(`events could not be written: ${error instanceof Error ? error.message : String(error)}`),
  });
  const openCalls = new Set<OutgoingCall>();
  const server = new Server({
    interceptors: [batchMessages],
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': -1,
  });
  addServices(server, { storage, signal, writer, openCalls, instanceId: randomUUID() });
  const port = await listen(server, `${host}:${options.port ?? 0}`).catch(async (error: unknown) => {
    await storage.close();
    throw error;
  });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await writer.idle();
    for (const call of openCalls)
      call.emit('error', new RpcError(status.UNAVAILABLE, 'The event store is shutting down.'));
    await shutDown(server);
    await writer.idle();
    await storage.close();
  };
  return { port, url: `esdb://${host}:${port}?tls=false`, close: () => (closing ??= close()) };
}

function listen(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

function shutDown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, SHUTDOWN_GRACE_MS);
    server.tryShutdown(() => {
      clearTimeout(force);
      resolve();
    });
  });
}
