import { randomUUID } from 'node:crypto';
import type { CommitSignal } from '../commit-signal.ts';
import { PAGE } from './read-events.ts';
import { caughtUp, checkpoint, confirmation, fellBehind } from './read-messages.ts';
import type { Position, ReadRequest } from './read-request.ts';
import { streamDeleted } from '../rpc-error.ts';
import type { Storage } from '../storage/storage.ts';
import { sendAll } from '../streaming-call.ts';
import type { OutgoingCall } from '../streaming-call.ts';
import { readableState, readStreamPage } from '../storage/stream-reader.ts';

/** Full pages in a row after which a live subscription counts as behind. */
const PAGES_BEHIND = 4;

/** What one look at the log found for a subscription. */
interface Found {
  /** The messages to send. */
  readonly messages: Buffer[];
  /** Whether the look came to the end of the log. */
  readonly atEnd: boolean;
  /** What to send first when the client is told that it has caught up. */
  readonly beforeCaughtUp: () => Buffer[];
}

/** A place in the log that moves on with each look. */
interface Cursor {
  look(): Found;
  /** The stream whose commits matter, undefined for any. */
  readonly streamName: string | undefined;
}

/** What a subscription needs of the node. */
export interface SubscriptionContext {
  readonly storage: Storage;
  readonly signal: CommitSignal;
  readonly present: (record: Buffer) => Buffer;
}

/**
 * Serves a catch-up subscription until its call is over. Live events come from the log like old ones: the subscription
 * looks again after each commit. So nothing is lost or repeated between history and live, and a slow consumer costs one
 * page of memory, however far it falls behind. Throws an RpcError when the stream has or gets a tombstone.
 */
export async function serveSubscription(
  context: SubscriptionContext,
  request: ReadRequest,
  call: OutgoingCall,
): Promise<void> {
  const cursor = request.source.kind === 'all' ? allCursor(context, request) : streamCursor(context, request);
  let open = await sendAll(call, [confirmation(randomUUID())]);
  const pace = new Pace();
  while (open) {
    const found = cursor.look();
    const messages = [...found.messages, ...pace.note(found)];
    if (found.atEnd && messages.length === 0) await nextCommit(context.signal, cursor.streamName, call);
    else open = await sendAll(call, messages);
    open &&= !call.destroyed;
  }
}

function nothing(): Buffer[] {
  return [];
}

/** Knows whether a subscription follows live, and what to tell the client when that changes. */
class Pace {
  #live = false;
  #fullPages = 0;

  note(found: Found): Buffer[] {
    this.#fullPages = found.atEnd ? 0 : this.#fullPages + 1;
    if (found.atEnd && !this.#live) {
      this.#live = true;
      return [...found.beforeCaughtUp(), caughtUp()];
    }
    if (this.#live && this.#fullPages === PAGES_BEHIND) {
      this.#live = false;
      return [fellBehind()];
    }
    return [];
  }
}

function nextCommit(signal: CommitSignal, streamName: string | undefined, call: OutgoingCall): Promise<void> {
  if (call.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const onClose = (): void => {
      stopWaiting();
      resolve();
    };
    const stopWaiting = signal.once(streamName, () => {
      call.off('close', onClose);
      resolve();
    });
    call.once('close', onClose);
  });
}

function allCursor(context: SubscriptionContext, request: ReadRequest): Cursor {
  const { storage, present } = context;
  const { source, filter } = request;
  let next = source.kind === 'all' ? subscriptionStart(source.from, storage) : 0;
  let considered = 0;
  let lastSeen = source.kind === 'all' && source.from !== 'start' ? next - 1 : undefined;
  let lastCheckpoint: number | undefined;
  const checkpointAt = (position: number | undefined): Buffer[] => {
    if (position === undefined || position === lastCheckpoint) return [];
    lastCheckpoint = position;
    return [checkpoint(position)];
  };
  const look = (): Found => {
    const page = storage.pageForward(next, PAGE);
    const messages: Buffer[] = [];
    next = Math.max(next, (page.positions.at(-1) ?? 0) + 1);
    if (filter === undefined) return { messages: page.records.map(present), atEnd: page.done, beforeCaughtUp: nothing };
    for (const [index, record] of page.records.entries()) {
      lastSeen = page.positions[index] ?? lastSeen;
      if (filter.matches(record)) messages.push(present(record));
      considered = (considered + 1) % filter.checkpointInterval;
      if (considered === 0) messages.push(...checkpointAt(lastSeen));
    }
    return { messages, atEnd: page.done, beforeCaughtUp: () => checkpointAt(lastSeen) };
  };
  return { look, streamName: undefined };
}

function subscriptionStart(from: 'start' | 'end' | Position, storage: Storage): number {
  if (from === 'start') return 0;
  if (from === 'end') return storage.end;
  return from.prepare < from.commit ? from.commit : from.commit + 1;
}

function streamCursor(context: SubscriptionContext, request: ReadRequest): Cursor {
  const { storage, present } = context;
  const { source } = request;
  if (source.kind !== 'stream') throw new TypeError('not a stream subscription');
  const { streamName } = source;
  let next = streamSubscriptionStart(source.from, () => readableState(storage, streamName).revision);
  const look = (): Found => {
    const state = readableState(storage, streamName);
    if (state.tombstoned) throw streamDeleted(streamName);
    const page = readStreamPage(storage, { streamName, state }, { from: next, backwards: false }, PAGE);
    next = Math.max(next, page.next);
    return { messages: page.records.map(present), atEnd: page.isLast, beforeCaughtUp: nothing };
  };
  return { look, streamName };
}

function streamSubscriptionStart(from: 'start' | 'end' | number, lastRevision: () => number): number {
  if (from === 'start') return 0;
  return (from === 'end' ? lastRevision() : from) + 1;
}
