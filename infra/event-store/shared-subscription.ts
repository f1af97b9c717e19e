import type { Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';

/** Some events of the log, one at least, that come after each other. */
export type Portion = readonly [RecordedEvent, ...RecordedEvent[]];

/** Whether there are any. */
export function isPortion(events: readonly RecordedEvent[]): events is Portion {
  return events.length > 0;
}

/** Events from behind a place on, in portions: what has come by the time that the reader asks. */
export type Subscribe = (from: { after: Position; signal: AbortSignal }) => AsyncIterable<Portion>;

export type SharingLimits = {
  /** So many events are kept for those who are behind; who is further behind reads alone. */
  readonly behind: number;
  /** So many are kept although all have had them, for one that joins a little later. */
  readonly kept: number;
  /** So far the log is read ahead of whoever is first; about, because it comes in portions. */
  readonly ahead: number;
  /** So many are handed out at once at most to those who share. */
  readonly portion: number;
};

const LIMITS: SharingLimits = { behind: 32_768, kept: 4_096, ahead: 1_024, portion: 512 };

/**
 * Lets the subscriptions of a process read the log once for all of them, because reading costs more than most do with
 * what they read. One that starts, or falls, outside what is kept subscribes alone, so that none waits for a slower
 * one, and joins the others when it has come to where they are. Each gets every event once, in order, as it would
 * alone; when what they share breaks, all of them get the error.
 */
export function shareSubscriptions(subscribe: Subscribe, limits: SharingLimits = LIMITS): Subscribe {
  let shared: SharedWindow | undefined;
  return async function* (from) {
    const { signal } = from;
    let place = from.after;
    while (!signal.aborted) {
      if (shared === undefined || shared.ended) shared = new SharedWindow(subscribe, place, limits);
      const stretch = shared.reaches(place) ? shared.ride(place, signal) : alone(place, signal);
      for await (const portion of stretch) {
        place = lastOf(portion);
        yield portion;
      }
    }
  };

  async function* alone(after: Position, signal: AbortSignal): AsyncGenerator<Portion> {
    const own = new AbortController();
    const end = () => {
      own.abort();
    };
    signal.addEventListener('abort', end, { once: true });
    try {
      let place = after;
      for await (const portion of subscribe({ after, signal: own.signal })) {
        // What has just come, the others have or get next: at the head one may be told of an event before them each
        // time.
        if (shared?.welcomes(place) === true) return;
        place = lastOf(portion);
        // Within a portion: its end may lie beyond what the others have read by now.
        const joins = portion.findIndex(({ position }) => shared?.welcomes(position) === true);
        const before = joins === -1 ? portion : portion.slice(0, joins + 1);
        if (isPortion(before)) yield before;
        if (joins !== -1) return;
      }
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
  }
}

const lastOf = (portion: Portion) => (portion.at(-1) ?? portion[0]).position;

type Rider = { next: number; wake: (() => void) | undefined };

/**
 * A part of the log that is read once, and those who follow it. It ends when nobody does any more, or the reading
 * breaks.
 */
class SharedWindow {
  readonly #limits: SharingLimits;
  readonly #riders = new Set<Rider>();
  readonly #reading = new AbortController();
  #events: RecordedEvent[] = [];
  /** How many events were let go of: the number of the first that is kept. */
  #first = 0;
  /** Everything after this place, up to the last event, is kept. */
  #from: Position;
  #resume: (() => void) | undefined;
  #broken: { readonly error: unknown } | undefined;

  constructor(subscribe: Subscribe, from: Position, limits: SharingLimits) {
    this.#from = from;
    this.#limits = limits;
    void this.#pump(subscribe({ after: from, signal: this.#reading.signal }));
  }

  get ended(): boolean {
    return this.#reading.signal.aborted || this.#broken !== undefined;
  }

  /** Whether what follows a place is kept or yet to be read. */
  reaches(place: Position): boolean {
    return !this.ended && place >= this.#from && place <= this.#last;
  }

  /**
   * Whether one that has come to a place by itself had better go on here: half of what is kept lies before it, so that
   * it does not fall out again at once.
   */
  welcomes(place: Position): boolean {
    const middle = this.#events[this.#events.length >> 1]?.position ?? this.#from;
    return this.reaches(place) && place >= middle;
  }

  /**
   * Events after a place, until `signal`, or until it has fallen out of what is kept. Throws what breaks the reading.
   */
  async *ride(after: Position, signal: AbortSignal): AsyncGenerator<Portion> {
    const rider: Rider = { next: this.#first + this.#countUpTo(after), wake: undefined };
    const wake = () => {
      rider.wake?.();
    };
    this.#riders.add(rider);
    signal.addEventListener('abort', wake, { once: true });
    try {
      while (!signal.aborted && rider.next >= this.#first) {
        const taken = this.#take(rider);
        if (isPortion(taken)) yield taken;
        else if (this.#broken === undefined)
          await new Promise<void>((resolve) => {
            rider.wake = resolve;
          });
        else throw this.#broken.error;
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#riders.delete(rider);
      if (this.#riders.size === 0) {
        this.#reading.abort();
        this.#resume?.();
      }
    }
  }

  #take(rider: Rider): RecordedEvent[] {
    rider.wake = undefined;
    const from = rider.next - this.#first;
    const taken = this.#events.slice(from, from + this.#limits.portion);
    rider.next += taken.length;
    if (this.#end - rider.next <= this.#limits.ahead / 2) this.#resume?.();
    return taken;
  }

  async #pump(log: AsyncIterable<Portion>): Promise<void> {
    try {
      for await (const portion of log) {
        this.#events.push(...portion);
        this.#trim();
        this.#wakeAll();
        await this.#whenWanted();
        if (this.ended) return;
      }
      this.#broken = { error: new Error('the shared subscription to the log ended') };
    } catch (error) {
      this.#broken = { error };
    }
    this.#wakeAll();
  }

  async #whenWanted(): Promise<void> {
    if (this.ended || this.#end < this.#foremost + this.#limits.ahead) return;
    await new Promise<void>((resolve) => {
      this.#resume = resolve;
    });
    this.#resume = undefined;
  }

  #wakeAll(): void {
    for (const { wake } of this.#riders) wake?.();
  }

  // In large portions: the array is copied each time.
  #trim(): void {
    const { behind, kept } = this.#limits;
    if (this.#events.length < 2 * kept) return;
    let hindmost = this.#end;
    for (const { next } of this.#riders) hindmost = Math.min(hindmost, next);
    const keep = Math.min(behind, Math.max(kept, this.#end - hindmost));
    const excess = this.#events.length - keep;
    if (excess < kept) return;
    this.#from = this.#events[excess - 1]?.position ?? this.#from;
    this.#events = this.#events.slice(excess);
    this.#first += excess;
  }

  get #end(): number {
    return this.#first + this.#events.length;
  }

  get #foremost(): number {
    let foremost = 0;
    for (const { next } of this.#riders) foremost = Math.max(foremost, next);
    return foremost;
  }

  get #last(): Position {
    return this.#events.at(-1)?.position ?? this.#from;
  }

  #countUpTo(place: Position): number {
    const after = this.#events.findIndex(({ position }) => position > place);
    return after === -1 ? this.#events.length : after;
  }
}
