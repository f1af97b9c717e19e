import { ServerInterceptingCall } from '@grpc/grpc-js';
import type { ServerInterceptor } from '@grpc/grpc-js';
import type { RpcError } from './rpc-error.ts';

/** What a handler needs of a call that streams encoded messages to its client. */
export interface OutgoingCall {
  readonly destroyed: boolean;
  write(messages: readonly Buffer[], callback: (error?: Error | null) => void): boolean;
  end(): unknown;
  emit(event: 'error', error: RpcError): boolean;
  once(event: 'close', listener: () => void): unknown;
  off(event: 'close', listener: () => void): unknown;
}

type NextCall = Parameters<ServerInterceptor>[1];

/**
 * Lets a handler write many encoded messages at once. One after the other they would each wait for the socket and
 * travel in an HTTP/2 frame of their own, which costs the reader more than the events themselves.
 */
class BatchingCall extends ServerInterceptingCall {
  readonly #next: NextCall;

  constructor(next: NextCall) {
    super(next);
    this.#next = next;
  }

  override start(listener: Parameters<NextCall['start']>[0]): void {
    this.#next.start(listener);
  }

  override sendMessage(message: unknown, callback: () => void): void {
    if (!Array.isArray(message)) {
      this.#next.sendMessage(message, callback);
      return;
    }
    const last = message.length - 1;
    for (const [index, one] of message.entries()) this.#next.sendMessage(one, index === last ? callback : ignore);
  }
}

function ignore(): void {
  // Only the last message of a batch reports that the batch is out.
}

/** The interceptor that makes `write(messages)` of a call send each message. */
export const batchMessages: ServerInterceptor = (_method, call) => new BatchingCall(call);

/**
 * Sends messages with back-pressure: resolves true once the client's flow control has let all of them out, false when
 * the call is over. A slow reader therefore holds no more than one batch. Without messages it lets other work go on
 * first.
 */
export function sendAll(call: OutgoingCall, messages: readonly Buffer[]): Promise<boolean> {
  if (call.destroyed) return Promise.resolve(false);
  if (messages.length === 0) return new Promise((resolve) => setImmediate(() => resolve(!call.destroyed)));
  return new Promise((resolve) => {
    call.write(messages, (error) => resolve(error === undefined || error === null));
  });
}
