import type { EventStoreDBClient } from '@eventstore/db-client';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { openFollowing, type Answer } from './event-store-ranges.ts';
import { isPortion, type Portion } from './shared-subscription.ts';

/** A live subscription ended; the caller opens another from its last handled position. */
export class SubscriptionEndedError extends Error {
  override readonly name = 'SubscriptionEndedError';
}

/** With so many events waiting for the reader no more are taken from the connection. */
const WAITING_AT_MOST = 1_024;

/**
 * Events of the whole log after `after`, then live, in portions; ends by `signal` (cleanly) or with
 * SubscriptionEndedError.
 */
export async function* follow(
  client: EventStoreDBClient,
  { after, signal }: { after: Position; signal: AbortSignal },
): AsyncIterable<Portion> {
  if (signal.aborted) return;
  let call: ClientReadableStream<Answer> | undefined;
  let heard: Heard | undefined;
  const stop = () => {
    void cancel(call);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    // Unfiltered: filtered checkpoints run ahead of what the consumer has handled.
    call = await openFollowing(client, after);
    heard = new Heard(call);
    while (!signal.aborted) {
      const events = await heard.some();
      if (!isPortion(events)) break;
      yield events;
    }
  } catch (error) {
    if (signal.aborted) return;
    throw new SubscriptionEndedError('the subscription to the log broke', { cause: error });
  } finally {
    signal.removeEventListener('abort', stop);
    await cancel(call);
    // What had arrived by then has to be taken from the call, or it never ends.
    heard?.stop();
    call?.resume();
  }
  // A server that stops ends the stream without an error.
  if (!signal.aborted) throw new SubscriptionEndedError('the event store closed the subscription');
}

/** What a call has brought and its reader has not taken. By listening, which costs half of what iterating does. */
class Heard {
  readonly #call: ClientReadableStream<Answer>;
  readonly #listen = (answer: Answer) => {
    this.#hear(answer);
  };
  #events: RecordedEvent[] = [];
  #ended: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(call: ClientReadableStream<Answer>) {
    this.#call = call;
    call.on('data', this.#listen);
    call.on('error', (error: unknown) => {
      this.#end(error);
    });
    call.on('end', () => {
      this.#end(undefined);
    });
    call.on('close', () => {
      this.#end(undefined);
    });
  }

  /**
   * The events that have come, one at least; none once the call has ended. Throws what broke it, behind the events
   * before.
   */
  async some(): Promise<RecordedEvent[]> {
    if (this.#events.length === 0 && this.#ended === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      // What arrived in the same network packet comes along.
      await nextTurn();
    }
    const taken = this.#events;
    this.#events = [];
    if (this.#call.isPaused()) this.#call.resume();
    if (taken.length === 0 && this.#ended?.error !== undefined) throw this.#ended.error;
    return taken;
  }

  /** Hears no more events: what still comes would fill up here, and hold the call. */
  stop(): void {
    this.#call.off('data', this.#listen);
  }

  #hear(answer: Answer): void {
    if (answer === 'no event' || answer.event === undefined) return;
    this.#events.push(answer.event);
    if (this.#events.length >= WAITING_AT_MOST) this.#call.pause();
    this.#wake?.();
  }

  #end(error: unknown): void {
    this.#ended ??= { error };
    this.#wake?.();
  }
}

// In a later turn: gRPC loses a call that is cancelled in the one that hands out a message.
async function cancel(call: ClientReadableStream<Answer> | undefined): Promise<void> {
  call?.on('error', () => undefined);
  await nextTurn();
  call?.cancel();
}
