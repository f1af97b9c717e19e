import { START_OF_LOG, type Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { SubscriptionEndedError, type EventStore } from '../../infra/event-store.ts';
import { pause } from './leadership.ts';

export type Subscribe = EventStore['subscribe'];

export type SharedTailOptions = {
  /** How many events the tail holds for those who read them at different speeds. Default 10,000. */
  readonly held?: number;
  /** How long the tail waits for a reader that is about to lose touch before it goes on without. Default 200 ms. */
  readonly patienceMs?: number;
};

type Reader = { position: Position };

/** The newest events, in order: all of the log after `start`, as far as it was read. */
class Tail {
  readonly events: RecordedEvent[] = [];
  readonly readers = new Set<Reader>();
  failure: SubscriptionEndedError | undefined;
  start: Position;
  #bell = Promise.withResolvers<undefined>();

  constructor(start: Position) {
    this.start = start;
  }

  covers(position: Position): boolean {
    return this.failure === undefined && position >= this.start;
  }

  add(event: RecordedEvent, held: number): void {
    this.events.push(event);
    if (this.events.length >= 2 * held) {
      const dropped = this.events.splice(0, this.events.length - held);
      this.start = dropped.at(-1)?.position ?? this.start;
    }
    this.ring();
  }

  fail(error: SubscriptionEndedError): void {
    this.failure = error;
    this.ring();
  }

  ring(): void {
    this.#bell.resolve(undefined);
    this.#bell = Promise.withResolvers();
  }

  rung(): Promise<undefined> {
    return this.#bell.promise;
  }

  /** The index of the first event after a position. */
  indexAfter(position: Position): number {
    let [low, high] = [0, this.events.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.events[middle]?.position ?? START_OF_LOG) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * Lets many readers follow the log over one subscription. Each gets every event after its own position, in order, as if
 * it had subscribed alone; one that is too far behind does subscribe alone until it has caught up. When the shared
 * subscription ends, all readers end with SubscriptionEndedError and open another one together.
 */
export function shareTail(store: Pick<EventStore, 'subscribe'>, signal: AbortSignal, { held = 10_000, patienceMs = 200 }: SharedTailOptions = {}): Subscribe {
  let shared: Tail | undefined;
  const join = (after: Position): Tail => {
    if (shared === undefined || shared.failure !== undefined) {
      shared = new Tail(after);
      void pump(store, shared, { held, patienceMs, signal });
    }
    return shared;
  };
  return async function* subscribe({ after, signal: stop }) {
    const until = AbortSignal.any([signal, stop]);
    let position = after;
    while (!until.aborted) {
      const tail = join(position);
      for await (const event of tail.covers(position) ? readTail(tail, position, until) : readAlone(store, tail, { position, signal: until })) {
        position = event.position;
        yield event;
      }
    }
  };
}

async function pump(store: Pick<EventStore, 'subscribe'>, tail: Tail, { held, patienceMs, signal }: Required<SharedTailOptions> & { signal: AbortSignal }): Promise<void> {
  try {
    for await (const event of store.subscribe({ after: tail.start, signal })) {
      tail.add(event, held);
      if (tail.events.length >= 2 * held - 1) await waitForReaders(tail, held, patienceMs);
    }
    tail.fail(new SubscriptionEndedError('the tail of the log was stopped'));
  } catch (error) {
    tail.fail(error instanceof SubscriptionEndedError ? error : new SubscriptionEndedError('the tail of the log broke', { cause: error }));
  }
}

// The next event makes the older half go: those who still need it get a moment.
async function waitForReaders(tail: Tail, held: number, patienceMs: number): Promise<void> {
  const needed = tail.events[tail.events.length - held]?.position ?? tail.start;
  const limit = performance.now() + patienceMs;
  while (performance.now() < limit && [...tail.readers].some(({ position }) => position < needed)) await pause(1, new AbortController().signal);
}

// Ends when the tail no longer reaches back to the reader's place.
async function* readTail(tail: Tail, from: Position, signal: AbortSignal): AsyncIterable<RecordedEvent> {
  const reader: Reader = { position: from };
  const stop = () => { tail.ring(); };
  signal.addEventListener('abort', stop, { once: true });
  tail.readers.add(reader);
  try {
    while (!signal.aborted && reader.position >= tail.start) {
      const bell = tail.rung();
      const event = tail.events[tail.indexAfter(reader.position)];
      if (event !== undefined) {
        reader.position = event.position;
        yield event;
      } else if (tail.failure !== undefined) {
        throw tail.failure;
      } else {
        await bell;
      }
    }
  } finally {
    tail.readers.delete(reader);
    signal.removeEventListener('abort', stop);
  }
}

// Ends when the tail reaches back to where this reader has come.
async function* readAlone(store: Pick<EventStore, 'subscribe'>, tail: Tail, { position, signal }: { position: Position; signal: AbortSignal }): AsyncIterable<RecordedEvent> {
  for await (const event of store.subscribe({ after: position, signal })) {
    yield event;
    if (tail.failure !== undefined || tail.covers(event.position)) return;
  }
}
