import { Worker } from 'node:worker_threads';
import { laterOf, type Position } from '../../domain/position.ts';
import type { EventStore } from '../../infra/event-store/event-store.ts';
import type { Log } from '../../infra/process/log.ts';
import { unreachable } from '../models/batch.ts';
import type { Checkpoint } from '../builds/checkpoints.ts';
import { FromReplayThread, RANGE_EVENTS, type ReplayTask, type ToReplayThread } from './replay-protocol.ts';

/** A build to be filled: where it stands, and the last event that it takes (undefined: no end). */
export type ReplayTarget = Pick<Checkpoint, 'buildId' | 'position' | 'events'> & {
  readonly until: Position | undefined;
};

export type ParallelReplay = {
  readonly store: Pick<EventStore, 'milestones'>;
  readonly log: Log;
  readonly task: Omit<ReplayTask, 'builds'>;
  readonly threads: number;
  /** Called as builds move: the fewest events that any of them has passed. */
  readonly report: (done: number) => void;
  readonly signal: AbortSignal;
};

/** A thread reads one range while another of its ranges waits for its turns. */
const RANGES_PER_THREAD = 2;
/** A log shorter than this many ranges is replayed before threads would be up. */
const WORTH_RANGES = 2;

/** Beyond six PostgreSQL is what limits a replay. */
const THREADS = { least: 2, most: 6 };

/**
 * How many threads read a long log on a machine with so many cores: the stores want one, but one thread alone would
 * leave them idle while it parses.
 */
export function replayThreads(cores: number): number {
  return Math.min(THREADS.most, Math.max(THREADS.least, cores - 1));
}

type Range = { readonly index: number; readonly after: Position; readonly until: Position };
type Given = Range & { readonly thread: Thread; ready: boolean; left: number };
type Thread = { readonly worker: Worker; given: number };
type Place = { position: Position; events: number; next: number; busy: boolean };

/**
 * Brings builds from their checkpoints near the head of the log, reading ranges of it in several threads. Each build
 * gets the ranges in order, one at a time, by its checkpoint; different builds may be at different ranges. Resolves
 * when the head, as it was at the start, is reached, when the signal says so, or at the first failure: whoever goes on
 * from the checkpoints finds out what it was. A log that is short is left alone.
 */
export async function replayInParallel(replay: ParallelReplay, targets: readonly ReplayTarget[]): Promise<void> {
  const [first, ...others] = targets;
  if (first === undefined || replay.threads < 2) return;
  const lowest = others.reduce<Position>((low, { position }) => (position < low ? position : low), first.position);
  const ends = targets.map(({ until }) => until);
  const ranges = rangesOf(replay.store.milestones({ after: lowest, every: RANGE_EVENTS }), {
    from: lowest,
    to: latest(ends),
  });
  const head: Range[] = [];
  for (let next = await ranges.next(); next.done !== true; next = await ranges.next()) {
    head.push(next.value);
    if (head.length >= WORTH_RANGES) {
      await new Conductor(replay, targets).conduct(chain(head, ranges));
      return;
    }
  }
}

// Undefined when one of them has no end.
function latest(ends: readonly (Position | undefined)[]): Position | undefined {
  return ends.reduce((late, end) => (late === undefined || end === undefined ? undefined : laterOf(late, end)));
}

async function* rangesOf(
  places: AsyncIterable<Position>,
  { from, to }: { from: Position; to: Position | undefined },
): AsyncGenerator<Range, undefined> {
  let after = from;
  let index = 0;
  for await (const until of places) {
    yield { index, after, until };
    index += 1;
    after = until;
    if (to !== undefined && until >= to) return;
  }
}

async function* chain(head: readonly Range[], rest: AsyncIterable<Range>): AsyncGenerator<Range, undefined> {
  yield* head;
  yield* rest;
}

class Conductor {
  readonly #replay: ParallelReplay;
  readonly #threads: Thread[];
  readonly #places: Map<number, Place>;
  readonly #given = new Map<number, Given>();
  #wake: () => void = () => undefined;
  #failed: string | undefined;

  constructor(replay: ParallelReplay, targets: readonly ReplayTarget[]) {
    this.#replay = replay;
    this.#places = new Map(
      targets.map(({ buildId, position, events }) => [buildId, { position, events, next: 0, busy: false }]),
    );
    const workerData: ReplayTask = {
      ...replay.task,
      builds: targets.map(({ buildId, until }) => ({ id: buildId, until: until ?? null })),
    };
    this.#threads = Array.from({ length: replay.threads }, () => this.#start(workerData));
  }

  async conduct(ranges: AsyncGenerator<Range, undefined>): Promise<void> {
    const interrupt = () => {
      this.#fail('interrupted');
    };
    this.#replay.signal.addEventListener('abort', interrupt, { once: true });
    try {
      for (let next = await ranges.next(); next.done !== true && this.#failed === undefined; next = await ranges.next())
        await this.#give(next.value);
      while (this.#given.size > 0 && this.#failed === undefined) await this.#change();
    } catch (error) {
      this.#replay.log.warn({ err: error }, 'the parallel part of a replay ended early');
    } finally {
      this.#replay.signal.removeEventListener('abort', interrupt);
      this.#failed ??= 'done';
      // A transaction that is cut off is rolled back with its checkpoint, as after any crash.
      await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
    }
  }

  #start(workerData: ReplayTask): Thread {
    const worker = new Worker(new URL('./replay-worker.ts', import.meta.url), { workerData });
    const thread: Thread = { worker, given: 0 };
    worker.on('message', (raw: unknown) => {
      this.#hear(FromReplayThread.parse(raw));
    });
    worker.on('error', (error) => {
      this.#fail(error instanceof Error ? error.message : String(error));
    });
    worker.on('exit', () => {
      this.#fail('a thread ended');
    });
    return thread;
  }

  async #give(range: Range): Promise<void> {
    for (;;) {
      if (this.#failed !== undefined) return;
      const thread = this.#threads.find(({ given }) => given < RANGES_PER_THREAD);
      if (thread !== undefined) {
        thread.given += 1;
        this.#given.set(range.index, { ...range, thread, ready: false, left: this.#places.size });
        send(thread, { kind: 'range', ...range });
        return;
      }
      await this.#change();
    }
  }

  #hear(message: FromReplayThread): void {
    switch (message.kind) {
      case 'ready': {
        const range = this.#given.get(message.index);
        if (range !== undefined) range.ready = true;
        for (const buildId of this.#places.keys()) this.#takeTurn(buildId);
        break;
      }
      case 'done':
        this.#done(message);
        break;
      case 'failed':
        this.#fail(message.message);
        break;
      default:
        return unreachable(message);
    }
    this.#wake();
  }

  #done({ index, buildId, position, events }: Extract<FromReplayThread, { kind: 'done' }>): void {
    const place = this.#places.get(buildId);
    const range = this.#given.get(index);
    if (place === undefined || range === undefined) return;
    Object.assign(place, { position, events, next: index + 1, busy: false });
    range.left -= 1;
    if (range.left === 0) {
      this.#given.delete(index);
      range.thread.given -= 1;
      send(range.thread, { kind: 'forget', index });
    }
    this.#replay.report(Math.min(...[...this.#places.values()].map((one) => one.events)));
    this.#takeTurn(buildId);
  }

  #takeTurn(buildId: number): void {
    const place = this.#places.get(buildId);
    const range = place === undefined ? undefined : this.#given.get(place.next);
    if (place === undefined || place.busy || range?.ready !== true || this.#failed !== undefined) return;
    place.busy = true;
    send(range.thread, { kind: 'turn', index: range.index, buildId, position: place.position, events: place.events });
  }

  #fail(message: string): void {
    if (this.#failed === undefined) this.#replay.log.info({ why: message }, 'the parallel part of a replay ended');
    this.#failed ??= message;
    this.#wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function send({ worker }: Thread, message: ToReplayThread): void {
  worker.postMessage(message);
}
