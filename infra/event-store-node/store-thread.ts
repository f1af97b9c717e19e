import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { z } from 'zod';

const StoredUpToSchema = z.number();

/** The thread that writes the store, seen from the main thread. */
export class StoreThread {
  readonly #worker: Worker;
  readonly #exited: Promise<unknown>;
  readonly #onStored: (end: number) => void;
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

  /** Hands over a frame of records that begins at `start`. The frame's memory goes with it. */
  store(start: number, frame: Buffer<ArrayBuffer>): void {
    this.#worker.postMessage({ start, frame }, [frame.buffer]);
  }

  /** Resolves once the condition holds; it is looked at whenever something is stored. Rejects when the thread has failed. */
  async until(condition: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (condition()) return;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Stores what was handed over and ends the thread. */
  async close(): Promise<void> {
    this.#worker.postMessage(null);
    await this.#exited;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
