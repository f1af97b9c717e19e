import { nothing } from './cursor.ts';
import type { Cursor, CursorContext, Found } from './cursor.ts';
import { PAGE } from './read-events.ts';
import type { ReadSource } from './read-request.ts';
import { TOMBSTONE_REVISION, viewRecord } from '../storage/record.ts';
import { streamDeleted } from '../rpc-error.ts';
import { readableState, readEveryEvent, readStreamPage } from '../storage/stream-reader.ts';
import { visibleRange } from '../stream-state.ts';

type StreamSource = Extract<ReadSource, { kind: 'stream' }>;

/**
 * Follows one stream. History is what a read would show. Once the client has caught up it gets each event as it was
 * appended, whatever the stream's metadata hides by then, and at last the tombstone; the next look then throws an
 * RpcError, as a look at the history of a stream with a tombstone does. Who begins at the end of a stream with a
 * tombstone is told nothing.
 */
export class StreamCursor implements Cursor {
  readonly streamName: string;
  readonly #context: CursorContext;
  readonly #silent: boolean;
  #next: number;
  /** Until it is told that it has caught up, a subscription that begins at the end has no history either. */
  #beginsLive: boolean;
  /** Where the log ended when the stream was last seen without a tombstone. */
  #seenUpTo: number;
  #ended = false;

  constructor(context: CursorContext, { streamName, from }: StreamSource) {
    const { revision, tombstoned } = readableState(context.storage, streamName);
    this.streamName = streamName;
    this.#context = context;
    this.#seenUpTo = context.storage.end;
    this.#beginsLive = from === 'end';
    this.#silent = from === 'end' && tombstoned;
    this.#next = from === 'start' ? 0 : (from === 'end' ? revision : from) + 1;
  }

  look(live: boolean): Found {
    if (this.#silent) return { messages: [], atEnd: true, caughtUp: false, beforeCaughtUp: nothing };
    if (this.#ended) throw streamDeleted(this.streamName);
    if (!live && !this.#beginsLive) return this.#lookAtHistory();
    if (live) this.#beginsLive = false;
    return this.#lookLive();
  }

  #lookAtHistory(): Found {
    const { storage, present } = this.#context;
    const state = readableState(storage, this.streamName);
    if (state.tombstoned) throw streamDeleted(this.streamName);
    this.#seenUpTo = storage.end;
    const exists = visibleRange(this.streamName, state) !== undefined;
    if (!exists) return { messages: [], atEnd: true, caughtUp: false, beforeCaughtUp: nothing };
    const page = readStreamPage(
      storage,
      { streamName: this.streamName, state },
      { from: this.#next, backwards: false },
      PAGE,
    );
    // What is hidden at the end of history stays so for this client, whatever is shown again later.
    this.#next = Math.max(this.#next, page.isLast ? state.revision + 1 : page.next);
    return { messages: page.records.map(present), atEnd: page.isLast, caughtUp: true, beforeCaughtUp: nothing };
  }

  #lookLive(): Found {
    const { storage, present } = this.#context;
    const { revision, tombstoned } = storage.stateOf(this.streamName);
    if (!tombstoned) this.#seenUpTo = storage.end;
    const page = readEveryEvent(storage, this.streamName, { from: this.#next, to: revision }, PAGE);
    this.#next = page.next;
    if (page.isLast && tombstoned) return this.#lookForTombstone(page.records.map(present));
    return { messages: page.records.map(present), atEnd: page.isLast, caughtUp: true, beforeCaughtUp: nothing };
  }

  /** One page of the log a look: the tombstone has no place in the stream, and a slow client may come to it late. */
  #lookForTombstone(before: Buffer[]): Found {
    const { storage, present } = this.#context;
    const page = storage.pageForward(this.#seenUpTo, PAGE);
    const tombstone = page.records.find((record) => {
      const { revision, streamName } = viewRecord(record);
      return revision === TOMBSTONE_REVISION && streamName === this.streamName;
    });
    this.#ended = tombstone !== undefined || page.done;
    this.#seenUpTo = (page.positions.at(-1) ?? this.#seenUpTo) + 1;
    const messages = tombstone === undefined ? before : [...before, present(tombstone)];
    return { messages, atEnd: false, caughtUp: true, beforeCaughtUp: nothing };
  }
}
