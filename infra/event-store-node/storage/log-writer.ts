import { RecentEvents } from './recent-events.ts';
import { viewRecord, TOMBSTONE_REVISION } from './record.ts';
import type { LogGroup } from './recent-log.ts';
import type { Storage } from './storage.ts';
import { WriteGroup } from './write-group.ts';
import type { WriteOutcome, WriteRequest } from './write-group.ts';

/** How much the writer takes on at a time. */
export interface WriterLimits {
  /** Bytes of waiting events above which callers should hold back. */
  readonly queueBytes: number;
  /** Bytes of events after which a commit is full. */
  readonly groupBytes: number;
  /** Requests after which a commit is full. */
  readonly groupRequests: number;
  /** Events that stay known by id. */
  readonly recentEvents: number;
}

/** What the node does besides answering the writers. */
export interface WriterHooks {
  /** Told the streams of every durable commit. */
  onCommit(streamNames: Iterable<string>): void;
  /** Told why a commit did not happen. */
  onFailure(error: unknown): void;
}

const DEFAULT_LIMITS: WriterLimits = {
  queueBytes: 32 * 1024 * 1024,
  groupBytes: 4 * 1024 * 1024,
  groupRequests: 2048,
  recentEvents: 32_768,
};

const BYTES_PER_REQUEST = 256;

/** A group that is being written. */
interface GroupInFlight {
  readonly changes: LogGroup;
  /** Resolves when its requests are answered. Never rejects. */
  readonly answered: Promise<void>;
}

interface QueuedWrite {
  readonly request: WriteRequest;
  readonly bytes: number;
  readonly resolve: (outcome: WriteOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The one writer of the log. Requests that arrive while a commit runs share the next one (group commit), so a commit
 * costs one fsync however many clients wait for it. Requests are decided and answered in order of arrival. On a slow
 * disk several commits are under way at once, each decided on top of those before it.
 */
export class LogWriter {
  readonly #storage: Storage;
  readonly #limits: WriterLimits;
  readonly #recent: RecentEvents;
  readonly #hooks: WriterHooks;
  readonly #waitingForRoom: (() => void)[] = [];
  #queue: QueuedWrite[] = [];
  #queuedBytes = 0;
  #running: Promise<void> | undefined;
  /** Groups that are being written, oldest first. They come to their end in this order. */
  readonly #inFlight: GroupInFlight[] = [];

  constructor(storage: Storage, hooks: WriterHooks, limits: Partial<WriterLimits> = {}) {
    this.#storage = storage;
    this.#hooks = hooks;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#recent = new RecentEvents(this.#limits.recentEvents);
    this.#recallRecent();
  }

  /** Whether so much waits that a caller should first await `room()`. */
  get isFull(): boolean {
    return this.#queuedBytes >= this.#limits.queueBytes;
  }

  /** Resolves once the queue has room again. */
  async room(): Promise<void> {
    while (this.isFull) await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve));
  }

  /**
   * Queues a write; resolves with its outcome once that is on disk. Rejects if the disk refuses: then nothing was
   * written.
   */
  submit(request: WriteRequest): Promise<WriteOutcome> {
    return new Promise((resolve, reject) => {
      const bytes = sizeOf(request);
      this.#queue.push({ request, bytes, resolve, reject });
      this.#queuedBytes += bytes;
      this.#running ??= this.#run();
    });
  }

  /** Resolves when everything that was submitted is answered. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    await this.#inFlight.at(-1)?.answered;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      // What arrives in the same turn of the event loop shares a write, and the answers to the last one get out first.
      await new Promise((resolve) => setImmediate(resolve));
      while (this.#inFlight.length >= this.#storage.mostCommitsAtOnce) await this.#inFlight[0]?.answered;
      const obstacle = await this.#storage.room().then(
        () => undefined,
        (error: unknown) => ({ error }),
      );
      if (obstacle === undefined) this.#begin(this.#takeGroup());
      else this.#refuse(this.#takeGroup(), obstacle.error);
    }
    this.#running = undefined;
  }

  #takeGroup(): QueuedWrite[] {
    const most = Math.min(this.#limits.groupRequests, this.#queue.length);
    let count = 0;
    for (let bytes = 0; count < most && bytes < this.#limits.groupBytes; count++)
      bytes += this.#queue[count]?.bytes ?? 0;
    const taken = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    return taken;
  }

  /** Decides on requests, on top of all that is stored or being written, and begins to write what follows from them. */
  #begin(writes: readonly QueuedWrite[]): void {
    const inFlight = this.#inFlight.map(({ changes }) => changes);
    const group = new WriteGroup({ storage: this.#storage, inFlight }, this.#recent, Date.now());
    try {
      const outcomes = writes.map((write) => group.apply(write.request));
      const written = Promise.allSettled([this.#storage.commit(group.changes), this.#inFlight.at(-1)?.answered]);
      const answered = written.then(([commit]) => {
        this.#inFlight.shift();
        if (commit.status === 'fulfilled') this.#answer(writes, outcomes, group.changes);
        else this.#refuse(writes, commit.reason, group.eventIds);
      });
      this.#inFlight.push({ changes: group.changes, answered });
    } catch (error) {
      this.#refuse(writes, error, group.eventIds);
    }
  }

  #answer(writes: readonly QueuedWrite[], outcomes: readonly WriteOutcome[], changes: LogGroup): void {
    for (const [index, write] of writes.entries()) {
      const outcome = outcomes[index];
      if (outcome !== undefined) write.resolve(outcome);
    }
    this.#hooks.onCommit(changes.states.keys());
    this.#release(writes);
  }

  #refuse(writes: readonly QueuedWrite[], error: unknown, eventIds: Iterable<string> = []): void {
    this.#recent.remove(eventIds);
    for (const write of writes) write.reject(error);
    this.#hooks.onFailure(error);
    this.#release(writes);
  }

  #release(writes: readonly QueuedWrite[]): void {
    for (const write of writes) this.#queuedBytes -= write.bytes;
    if (!this.isFull) for (const wake of this.#waitingForRoom.splice(0)) wake();
  }

  /** After a restart, retries of the last writes are still recognised. */
  #recallRecent(): void {
    const { records } = this.#storage.pageBackward(Infinity, { records: 8192, bytes: 16 * 1024 * 1024 });
    for (const record of records.reverse()) {
      const { id, streamName, revision, position } = viewRecord(record);
      if (revision !== TOMBSTONE_REVISION) this.#recent.add(id, { streamName, revision: Number(revision), position });
    }
  }
}

function sizeOf(request: WriteRequest): number {
  if (request.kind !== 'append') return BYTES_PER_REQUEST;
  const perEvent = BYTES_PER_REQUEST + request.streamName.length;
  return request.events.reduce(
    (sum, event) => sum + event.data.length + event.customMetadata.length + perEvent,
    BYTES_PER_REQUEST,
  );
}
