import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { isPortion, type Portion } from '../../infra/event-store/event-store.ts';

/** How much is handled together at most; about twice as much is held in memory, because reading goes on meanwhile. */
export type GatherLimits = { readonly events: number; readonly bytes: number };

/**
 * Groups events while the consumer is busy with the group before: a live event that finds the consumer idle goes on at
 * once and alone, a replay comes in full groups. An error of the source comes after what was read before it. The source
 * is read ahead only as far as the limits; stopping the consumer does not end a source that waits, so abort it.
 */
export async function* gather(source: AsyncIterable<Portion>, limits: GatherLimits): AsyncGenerator<Portion> {
  const queue = new Queue(limits);
  const reading = queue.fill(source);
  // Its failure is reported at the end; until then it must not count as unhandled.
  reading.catch(() => undefined);
  try {
    for (;;) {
      await queue.whenFilled();
      // What arrived in the same network packet comes along.
      await nextTurn();
      const group = queue.take();
      if (!isPortion(group)) break;
      yield group;
    }
    await reading;
  } finally {
    queue.stop();
  }
}

class Queue {
  readonly #limits: GatherLimits;
  #events: RecordedEvent[] = [];
  #bytes = 0;
  #ended = false;
  #stopped = false;
  #filled: (() => void) | undefined;
  #emptied: (() => void) | undefined;

  constructor(limits: GatherLimits) {
    this.#limits = limits;
  }

  async fill(source: AsyncIterable<Portion>): Promise<void> {
    try {
      for await (const portion of source) {
        await this.#add(portion);
        if (this.#stopped) return;
        if (this.#events.length > 0) this.#filled?.();
      }
    } finally {
      this.#ended = true;
      this.#filled?.();
    }
  }

  async #add(portion: Portion): Promise<void> {
    for (const event of portion) {
      this.#events.push(event);
      this.#bytes += bytesOf(event);
      if (!this.#isFull()) continue;
      this.#filled?.();
      await new Promise<void>((resolve) => {
        this.#emptied = resolve;
      });
    }
  }

  async whenFilled(): Promise<void> {
    if (this.#events.length > 0 || this.#ended) return;
    await new Promise<void>((resolve) => {
      this.#filled = resolve;
    });
    this.#filled = undefined;
  }

  take(): RecordedEvent[] {
    const taken = this.#events;
    this.#events = [];
    this.#bytes = 0;
    this.#wakeSource();
    return taken;
  }

  stop(): void {
    this.#stopped = true;
    this.#wakeSource();
  }

  #isFull(): boolean {
    return !this.#stopped && (this.#events.length >= this.#limits.events || this.#bytes >= this.#limits.bytes);
  }

  #wakeSource(): void {
    this.#emptied?.();
    this.#emptied = undefined;
  }
}

// Near enough to bound memory, and far cheaper than encoding the event again.
function bytesOf({ data }: RecordedEvent): number {
  if (typeof data !== 'object' || data === null) return 500;
  let bytes = 500;
  for (const value of Object.values(data)) bytes += weigh(value);
  return bytes;
}

function weigh(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (Array.isArray(value)) return value.length * 300;
  if (typeof value === 'object' && value !== null && 'v' in value && typeof value.v === 'string')
    return value.v.length + 100;
  return 50;
}
