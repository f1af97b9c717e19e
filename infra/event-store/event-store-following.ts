import type { EventStoreDBClient } from '@eventstore/db-client';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { cancelCall, EVERY_TYPE, NO_EVENT, openRead, type Answer } from './event-store-calls.ts';
import { isPortion, type Portion } from './shared-subscription.ts';

/** A live subscription ended; the caller opens another from its last handled position. */
export class SubscriptionEndedError extends Error {
  override readonly name = 'SubscriptionEndedError';
}

/** With so many events waiting for the reader no more are taken from the connection. */
const WAITING_AT_MOST = 1_024;

/** From where to follow the log, until when, and who is told of each portion's end before it is handed out. */
export type Following = {
  readonly after: Position;
  readonly signal: AbortSignal;
  readonly seen: (position: Position) => void;
};

/**
 * Events of the whole log after `after`, then live, in portions; ends by `signal` (cleanly) or with
 * SubscriptionEndedError. The server leaves its own events out. What it says of how far it has looked is not passed on:
 * whoever keeps a place keeps that of an event that it has handled.
 */
export async function* follow(client: EventStoreDBClient, { after, signal, seen }: Following): AsyncIterable<Portion> {
  if (signal.aborted) return;
  let call: ClientReadableStream<Answer> | undefined;
  let heard: Heard | undefined;
  const stop = () => {
    if (call !== undefined) void cancelCall(call);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    call = await openRead(client, { from: after, size: 'follow', wanted: EVERY_TYPE });
    heard = new Heard(call);
    while (!signal.aborted) {
      const events = await heard.some();
      if (!isPortion(events)) break;
      seen((events.at(-1) ?? events[0]).position);
      yield events;
    }
  } catch (error) {
    if (signal.aborted) return;
    throw new SubscriptionEndedError('the subscription to the log broke', { cause: error });
  } finally {
    signal.removeEventListener('abort', stop);
    heard?.stop();
    if (call !== undefined) await cancelCall(call);
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
    if (answer === NO_EVENT || answer.event === undefined) return;
    this.#events.push(answer.event);
    if (this.#events.length >= WAITING_AT_MOST) this.#call.pause();
    this.#wake?.();
  }

  #end(error: unknown): void {
    this.#ended ??= { error };
    this.#wake?.();
  }
}
