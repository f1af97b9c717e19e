import { randomUUID } from 'node:crypto';
import { allCursor } from './all-cursor.ts';
import type { CommitSignal } from '../commit-signal.ts';
import type { Cursor, Found } from './cursor.ts';
import { caughtUp, confirmation, fellBehind } from './read-messages.ts';
import type { ReadRequest } from './read-request.ts';
import type { Storage } from '../storage/storage.ts';
import { StreamCursor } from './stream-cursor.ts';
import { sendAll } from '../streaming-call.ts';
import type { OutgoingCall } from '../streaming-call.ts';

/** Full pages in a row after which a live subscription counts as behind. */
const PAGES_BEHIND = 4;

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
  const cursor = cursorOf(context, request);
  let open = await sendAll(call, [confirmation(randomUUID())]);
  const pace = new Pace();
  while (open) {
    const found = cursor.look(pace.isLive);
    const messages = [...found.messages, ...pace.note(found)];
    if (found.atEnd && messages.length === 0) await nextCommit(context.signal, cursor.streamName, call);
    else open = await sendAll(call, messages);
    open &&= !call.destroyed;
  }
}

function cursorOf({ storage, present }: SubscriptionContext, { source, filter }: ReadRequest): Cursor {
  return source.kind === 'all'
    ? allCursor({ storage, present }, source.from, filter)
    : new StreamCursor({ storage, present }, source);
}

/** Knows whether a subscription follows live, and what to tell the client when that changes. */
class Pace {
  #live = false;
  #fullPages = 0;

  get isLive(): boolean {
    return this.#live;
  }

  note(found: Found): Buffer[] {
    this.#fullPages = found.atEnd ? 0 : this.#fullPages + 1;
    if (found.atEnd && found.caughtUp && !this.#live) {
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
