import { refuse } from './refusal.ts';
import { startWorkerProcess } from './worker-process.ts';
import type { WorkerEnd, WorkerProcess } from './worker-process.ts';
import { OUT_OF_MEMORY_EXIT } from './worker-protocol.ts';
import type { ImageInput, ProcessResult, WorkerAnswer, WorkerJob } from './worker-protocol.ts';
import type { ImageOptions } from './image-options.ts';

export type { ImageInput, ProcessResult } from './worker-protocol.ts';

export interface MediaWorkersOptions {
  /** How many pictures are decoded at once, each in a process of its own. */
  readonly workers: number;
  /** Longest time for one picture. Default 20,000 ms. */
  readonly timeoutMs?: number;
  /** Most memory of one worker, its program included. Default 1 GiB. */
  readonly maxRssBytes?: number;
  /** How many pictures may wait. Default 100. */
  readonly maxQueue?: number;
  /** A worker is replaced after so many pictures, so that nothing it leaks can grow. Default 500. */
  readonly jobsPerWorker?: number;
}

export interface MediaWorkers {
  /**
   * Decodes one picture in a worker. A picture that is not taken, takes too long or too much memory, or crashes the
   * decoder twice comes back as a refusal. Rejects with `MediaQueueFull`, and with an error when the server is at
   * fault.
   */
  process(input: ImageInput, options?: ImageOptions): Promise<ProcessResult>;
  /** Pictures that wait for a worker now. */
  queued(): number;
  /** The processes that run now. */
  pids(): number[];
  /** Refuses new pictures, rejects those under way and ends the workers. */
  close(): Promise<void>;
}

/** More pictures wait than the pool holds: the caller slows down or tries again later. */
export class MediaQueueFull extends Error {
  override readonly name = 'MediaQueueFull';
}

/** How often a picture is tried in a fresh worker when a worker dies with it: once may be another's fault. */
const TRIES = 2;

/** How many workers in a row may end before they are ready until the pool gives up on those who wait. */
const STARTS = 3;

interface Task {
  readonly job: WorkerJob;
  deaths: number;
  resolve(result: ProcessResult): void;
  reject(error: Error): void;
}

interface Slot {
  readonly worker: WorkerProcess;
  /** Null while the worker starts, waits for work, or ends. */
  task: Task | null;
  state: 'starting' | 'idle' | 'busy' | 'leaving';
  jobs: number;
  timer: NodeJS.Timeout | undefined;
  timedOut: boolean;
}

/**
 * Starts a pool of worker processes for hostile pictures. Workers start when work comes and are replaced when they die.
 */
export function startMediaWorkers(options: MediaWorkersOptions): MediaWorkers {
  const pool = new WorkerPool(options);
  return {
    process: (input, imageOptions = {}) => pool.add(input, imageOptions),
    queued: () => pool.queue.length,
    pids: () => [...pool.slots].map(({ worker }) => worker.pid),
    close: () => pool.close(),
  };
}

class WorkerPool {
  readonly queue: Task[] = [];
  readonly slots = new Set<Slot>();
  readonly #options: Required<MediaWorkersOptions>;
  #nextId = 1;
  #failedStarts = 0;
  #closed = false;

  constructor(options: MediaWorkersOptions) {
    this.#options = { timeoutMs: 20_000, maxRssBytes: 1024 ** 3, maxQueue: 100, jobsPerWorker: 500, ...options };
  }

  add(input: ImageInput, options: ImageOptions): Promise<ProcessResult> {
    if (this.#closed) return Promise.reject(new Error('The media workers are closed'));
    if (this.queue.length >= this.#options.maxQueue)
      return Promise.reject(new MediaQueueFull('Too many pictures wait for a media worker'));
    return new Promise((resolve, reject) => {
      this.queue.push({ job: { id: this.#nextId++, input, options }, deaths: 0, resolve, reject });
      this.#dispatch();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const waiting = [...this.queue.splice(0), ...[...this.slots].flatMap(({ task }) => task ?? [])];
    for (const task of waiting) task.reject(new Error('The media workers were closed'));
    const ends = [...this.slots].map(({ worker }) => worker.ended.catch(() => undefined));
    for (const slot of this.slots) this.#dismiss(slot);
    await Promise.all(ends);
  }

  #dispatch(): void {
    for (const slot of this.slots) {
      if (slot.state === 'idle') this.#handOver(slot);
    }
    const starting = [...this.slots].filter(({ state }) => state === 'starting').length;
    const room = this.#options.workers - this.slots.size;
    for (let missing = Math.min(room, this.queue.length - starting); missing > 0; missing--) this.#start();
  }

  #start(): void {
    const worker = startWorkerProcess(this.#options.maxRssBytes, (answer) => {
      this.#finish(slot, answer);
    });
    const slot: Slot = { worker, task: null, state: 'starting', jobs: 0, timer: undefined, timedOut: false };
    this.slots.add(slot);
    worker.ready.then(
      () => {
        this.#failedStarts = 0;
        if (slot.state === 'starting') slot.state = 'idle';
        this.#dispatch();
      },
      (error: unknown) => {
        this.#failedStarts += 1;
        if (this.#failedStarts >= STARTS && !this.#closed) this.#giveUp(error);
      },
    );
    worker.ended.then(
      (end) => {
        this.#bury(slot, end);
      },
      () => {
        this.#bury(slot, { code: null, signal: null });
      },
    );
  }

  /** No worker starts here: that is this server's fault, and nobody who waits is served by waiting on. */
  #giveUp(cause: unknown): void {
    this.#failedStarts = 0;
    for (const task of this.queue.splice(0)) task.reject(new Error('No media worker could be started', { cause }));
  }

  #handOver(slot: Slot): void {
    const task = this.queue.shift();
    if (!task) return;
    slot.task = task;
    slot.state = 'busy';
    slot.timer = setTimeout(() => {
      slot.timedOut = true;
      slot.worker.kill();
    }, this.#options.timeoutMs);
    slot.worker.send(task.job);
  }

  #finish(slot: Slot, answer: WorkerAnswer): void {
    const { task } = slot;
    if (answer.kind === 'ready' || task?.job.id !== answer.id) return;
    clearTimeout(slot.timer);
    slot.task = null;
    slot.jobs += 1;
    if (answer.kind === 'done') task.resolve(answer.result);
    else task.reject(new Error(`A media worker failed: ${answer.message}`));
    if (slot.jobs >= this.#options.jobsPerWorker) this.#dismiss(slot);
    else slot.state = 'idle';
    this.#dispatch();
  }

  #dismiss(slot: Slot): void {
    slot.state = 'leaving';
    clearTimeout(slot.timer);
    slot.task = null;
    slot.worker.kill();
  }

  #bury(slot: Slot, end: WorkerEnd): void {
    clearTimeout(slot.timer);
    this.slots.delete(slot);
    const { task } = slot;
    slot.task = null;
    if (task) this.#judgeDeath(task, slot.timedOut, end);
    if (!this.#closed) this.#dispatch();
  }

  #judgeDeath(task: Task, timedOut: boolean, end: WorkerEnd): void {
    if (timedOut) {
      task.resolve(refuse('media_timeout'));
      return;
    }
    task.deaths += 1;
    if (end.code === OUT_OF_MEMORY_EXIT || task.deaths >= TRIES) task.resolve(refuse('media_too_complex'));
    else this.queue.unshift(task);
  }
}
