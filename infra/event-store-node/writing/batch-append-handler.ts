import type { ExpectedRevision } from '../check-append.ts';
import type { LogWriter } from '../storage/log-writer.ts';
import type { ProposedEvent } from '../storage/record.ts';
import { invalidArgument, RpcError, toRpcError } from '../rpc-error.ts';
import { isValidStreamName } from '../stream-state.ts';
import type { OutgoingCall } from '../streaming-call.ts';
import { MalformedMessageError } from '../wire.ts';
import { AppendBudget, decodeBatchChunk, decodeProposed, InvalidEventError } from './write-codec.ts';
import type { WriteOptions } from './write-codec.ts';
import type { WriteOutcome } from '../storage/write-group.ts';
import { batchRefused, batchWritten } from './write-responses.ts';
import type { BatchIdentity, BatchRefusal } from './write-responses.ts';

/** A `BatchAppend` call: chunks come in, one answer per batch goes out. */
export interface BatchAppendCall extends OutgoingCall {
  on(event: 'data', listener: (message: Buffer) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

/** A batch of which not every chunk has come. */
interface OpenBatch extends BatchIdentity {
  readonly expected: ExpectedRevision;
  readonly events: ProposedEvent[];
  readonly expiry: NodeJS.Timeout | undefined;
  readonly budget: AppendBudget;
}

/** A batch whose chunks do not all come in this time is refused. */
const LONGEST_ASSEMBLY_MS = 10_000;
const MOST_OPEN_BATCHES = 1024;
/** Answers that may be on their way before the node stops listening to this call. */
const MOST_UNANSWERED = 2048;

/**
 * Serves one `BatchAppend` call until the client ends it; every batch gets exactly one answer, in order of durability.
 */
export function handleBatchAppend(writer: LogWriter, call: BatchAppendCall): void {
  const session = new BatchSession(writer, call);
  call.on('data', (message) => session.receive(message));
  call.on('end', () => session.finish());
  call.once('close', () => session.dispose());
}

class BatchSession {
  readonly #writer: LogWriter;
  readonly #call: BatchAppendCall;
  readonly #open = new Map<string, OpenBatch>();
  #answers: Buffer[] = [];
  #unanswered = 0;
  #finishing = false;
  #paused = false;

  constructor(writer: LogWriter, call: BatchAppendCall) {
    this.#writer = writer;
    this.#call = call;
  }

  receive(message: Buffer): void {
    try {
      this.#accept(message);
    } catch (error) {
      this.#call.emit(
        'error',
        error instanceof MalformedMessageError ? invalidArgument(error.message) : toRpcError(error),
      );
    }
    if (this.#unanswered >= MOST_UNANSWERED || this.#writer.isFull) this.#pause();
  }

  finish(): void {
    this.#finishing = true;
    this.#endIfDone();
  }

  dispose(): void {
    for (const batch of this.#open.values()) clearTimeout(batch.expiry);
    this.#open.clear();
  }

  #accept(message: Buffer): void {
    const chunk = decodeBatchChunk(message);
    const key = chunk.correlation.toString('latin1');
    const batch =
      this.#open.get(key) ??
      (chunk.options === undefined ? undefined : this.#begin(chunk.correlation, chunk.options, chunk.isFinal));
    if (batch === undefined) return;
    const refusal = addEvents(batch, chunk.proposed);
    if (refusal !== undefined) this.#refuse(key, batch, refusal);
    else if (chunk.isFinal) this.#submit(key, batch);
    else if (this.#open.size >= MOST_OPEN_BATCHES) throw new RpcError(8, 'Too many batches are open on one call.');
    else this.#open.set(key, batch);
  }

  #begin(correlation: Buffer, options: WriteOptions, isWhole: boolean): OpenBatch | undefined {
    const { streamName, expected, deadlineMs } = options;
    const identity = { correlation, streamName };
    if (!isValidStreamName(streamName) || expected === undefined) {
      this.#answer(
        batchRefused(identity, { kind: 'bad-request', message: 'The batch names no stream or expected revision.' }),
      );
      return undefined;
    }
    const patienceMs = Math.min(LONGEST_ASSEMBLY_MS, (deadlineMs ?? Infinity) - Date.now());
    if (patienceMs <= 0) {
      this.#answer(batchRefused(identity, { kind: 'timeout' }));
      return undefined;
    }
    const key = correlation.toString('latin1');
    const expiry = isWhole ? undefined : setTimeout(() => this.#expire(key), patienceMs);
    return { ...identity, expected, events: [], expiry, budget: new AppendBudget(streamName) };
  }

  #expire(key: string): void {
    const batch = this.#open.get(key);
    if (batch !== undefined) this.#refuse(key, batch, { kind: 'timeout' });
  }

  #refuse(key: string, batch: OpenBatch, refusal: BatchRefusal): void {
    this.#close(key, batch);
    this.#answer(batchRefused(batch, refusal));
  }

  #close(key: string, batch: OpenBatch): void {
    clearTimeout(batch.expiry);
    this.#open.delete(key);
  }

  #submit(key: string, batch: OpenBatch): void {
    this.#close(key, batch);
    this.#unanswered++;
    const { streamName, expected, events } = batch;
    this.#writer.submit({ kind: 'append', streamName, expected, events }).then(
      (outcome) => this.#answerSubmitted(encodeOutcome(batch, outcome)),
      () => this.#answerSubmitted(batchRefused(batch, { kind: 'unknown' })),
    );
  }

  #answerSubmitted(answer: Buffer): void {
    this.#unanswered--;
    this.#answer(answer);
  }

  /** Answers to writes of one commit go out together. */
  #answer(answer: Buffer): void {
    this.#answers.push(answer);
    if (this.#answers.length === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const answers = this.#answers;
    this.#answers = [];
    if (this.#call.destroyed) return;
    this.#unanswered += answers.length;
    this.#call.write(answers, () => {
      this.#unanswered -= answers.length;
      this.#endIfDone();
    });
    this.#resume();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#call.pause();
    void this.#writer.room().then(() => this.#resume());
  }

  #resume(): void {
    if (!this.#paused || this.#unanswered >= MOST_UNANSWERED || this.#writer.isFull) return;
    this.#paused = false;
    this.#call.resume();
  }

  #endIfDone(): void {
    this.#resume();
    if (this.#finishing && this.#unanswered === 0 && this.#answers.length === 0 && !this.#call.destroyed)
      this.#call.end();
  }
}

/** Adds the events of a chunk to its batch; says why the batch must be refused, if it must. */
function addEvents(batch: OpenBatch, proposed: readonly Buffer[]): BatchRefusal | undefined {
  try {
    for (const message of proposed) {
      const event = decodeProposed(message);
      batch.events.push(event);
      if (!batch.budget.fits(event)) return { kind: 'maximum-append-size-exceeded' };
    }
    return undefined;
  } catch (error) {
    if (error instanceof InvalidEventError) return { kind: 'bad-request', message: error.message };
    throw error;
  }
}

function encodeOutcome(batch: OpenBatch, outcome: WriteOutcome): Buffer {
  switch (outcome.kind) {
    case 'written':
      return batchWritten(batch, outcome);
    case 'wrong-expected-revision':
      return batchRefused(batch, { kind: outcome.kind, current: outcome.current, expected: batch.expected });
    case 'stream-deleted':
      return batchRefused(batch, { kind: outcome.kind, streamName: batch.streamName });
    default:
      return outcome satisfies never;
  }
}
