import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { z } from 'zod';

const StoredUpToSchema = z.number();

/**
 * How long frames wait for company: one large transaction writes far fewer pages than many small ones, and wakes the
 * thread once.
 */
const GATHER_MS = 500;
/** Bytes that are handed over at once, whatever the time. */
const ENOUGH_BYTES = 4 * 1024 * 1024;

/** A group of records as the thread gets it. */
export interface HandedFrame {
  readonly start: number;
  readonly frame: Buffer<ArrayBuffer>;
}

/** The thread that writes the store, seen from the main thread. */
export class StoreThread {
  readonly #worker: Worker;
  readonly #exited: Promise<unknown>;
  readonly #onStored: (end: number) => void;
  #gathered: HandedFrame[] = [];
  #gatheredBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #waiting: (() => void)[] = [];
  #failure: Error | undefined;

  /** Starts the thread on the store in `directory`. `onStored` is told up to where the store is complete. */
  constructor(directory: string, onStored: (end: number) => void) {
    this.#onStored = onStored;
    this.#worker = new Worker(new URL('store-worker.ts', import.meta.url), { workerData: directory });
    this.#exited = once(this.#worker, 'exit').catch(() => undefined);
    this.#worker.on('message', (message: unknown) => {
      this.#onStored(StoredUpToSchema.parse(message));
      this.#wake();
    });
    this.#worker.on('error', (error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#wake();
    });
  }

  /** Takes a frame of records that begins at `start`, to be stored within a second. The frame's memory goes with it. */
  store(start: number, frame: Buffer<ArrayBuffer>): void {
    this.#gathered.push({ start, frame });
    this.#gatheredBytes += frame.length;
    if (this.#gatheredBytes >= ENOUGH_BYTES) this.#handOver();
    else this.#timer ??= setTimeout(() => this.#handOver(), GATHER_MS);
  }

  #handOver(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const frames = this.#gathered;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (frames.length > 0)
      this.#worker.postMessage(
        frames,
        frames.map(({ frame }) => frame.buffer),
      );
  }

  /**
   * Resolves once the condition holds; it is looked at whenever something is stored. Rejects when the thread has
   * failed.
   */
  async until(condition: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (condition()) return;
      this.#handOver();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Stores what was handed over and ends the thread. */
  async close(): Promise<void> {
    this.#handOver();
    this.#worker.postMessage(null);
    await this.#exited;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
