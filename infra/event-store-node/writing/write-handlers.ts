import type { LogWriter } from '../storage/log-writer.ts';
import type { ProposedEvent } from '../storage/record.ts';
import {
  invalidArgument,
  maximumAppendSizeExceeded,
  missingMetadata,
  streamDeleted,
  toRpcError,
  wrongExpectedVersion,
} from '../rpc-error.ts';
import type { RpcError } from '../rpc-error.ts';
import { isValidStreamName } from '../stream-state.ts';
import { MalformedMessageError } from '../wire.ts';
import { AppendBudget, decodeAppend, decodeProposed, InvalidEventError } from './write-codec.ts';
import type { WriteOptions } from './write-codec.ts';
import { appendWritten, appendWrongRevision, deleted } from './write-responses.ts';

/** How a handler answers a call that has one answer. */
export type Respond = (error: RpcError | null, response?: Buffer) => void;

/** Serves an `Append` call: options first, then the events, then one answer. */
export async function handleAppend(
  writer: LogWriter,
  messages: AsyncIterable<Buffer>,
  respond: Respond,
): Promise<void> {
  try {
    const { options, events } = await collect(messages);
    const { streamName, expected } = checked(options);
    await writer.room();
    const outcome = await writer.submit({ kind: 'append', streamName, expected, events });
    switch (outcome.kind) {
      case 'written':
        respond(null, appendWritten(outcome));
        break;
      case 'wrong-expected-revision':
        respond(null, appendWrongRevision(outcome.current, expected));
        break;
      case 'stream-deleted':
        throw streamDeleted(streamName);
      default:
        outcome satisfies never;
    }
  } catch (error) {
    respond(asRefusal(error));
  }
}

/** Serves a `Delete` (soft) or `Tombstone` (for ever) call. */
export async function handleDelete(
  writer: LogWriter,
  kind: 'delete' | 'tombstone',
  request: { message: Buffer; respond: Respond },
): Promise<void> {
  try {
    const { streamName, expected } = checked(decodeAppend(request.message).options);
    await writer.room();
    const outcome = await writer.submit({ kind, streamName, expected });
    switch (outcome.kind) {
      case 'written':
        request.respond(null, deleted(outcome));
        break;
      case 'wrong-expected-revision':
        throw wrongExpectedVersion(streamName, expected, outcome.current);
      case 'stream-deleted':
        throw streamDeleted(streamName);
      default:
        outcome satisfies never;
    }
  } catch (error) {
    request.respond(asRefusal(error));
  }
}

async function collect(
  messages: AsyncIterable<Buffer>,
): Promise<{ options: WriteOptions | undefined; events: ProposedEvent[] }> {
  const events: ProposedEvent[] = [];
  let options: WriteOptions | undefined;
  let budget: AppendBudget | undefined;
  for await (const message of messages) {
    const part = decodeAppend(message);
    options ??= part.options;
    if (part.proposed === undefined) continue;
    const event = decodeProposed(part.proposed);
    budget ??= new AppendBudget(options?.streamName ?? '');
    if (!budget.fits(event)) throw maximumAppendSizeExceeded();
    events.push(event);
  }
  return { options, events };
}

function checked(options: WriteOptions | undefined): {
  streamName: string;
  expected: NonNullable<WriteOptions['expected']>;
} {
  if (options?.expected === undefined) throw invalidArgument('The write has no expected revision.');
  if (!isValidStreamName(options.streamName)) throw invalidArgument('The write names no stream.');
  return { streamName: options.streamName, expected: options.expected };
}

function asRefusal(error: unknown): RpcError {
  if (error instanceof InvalidEventError)
    return error.missing.length > 0 ? missingMetadata(error.missing) : invalidArgument(error.message);
  return error instanceof MalformedMessageError ? invalidArgument(error.message) : toRpcError(error);
}
