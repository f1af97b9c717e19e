import type { Storage } from '../storage/storage.ts';

/** What one look at the log found for a subscription. */
export interface Found {
  /** The messages to send. */
  readonly messages: Buffer[];
  /** Whether the look came to the end of the log. */
  readonly atEnd: boolean;
  /**
   * Whether a client that was given everything to the end has caught up: there is nothing to catch up with in no
   * stream.
   */
  readonly caughtUp: boolean;
  /** What to send first when the client is told that it has caught up. */
  readonly beforeCaughtUp: () => Buffer[];
}

/** A place in the log that moves on with each look. */
export interface Cursor {
  /** `live` says that the client was told that it has caught up. */
  look(live: boolean): Found;
  /** The stream whose commits matter, undefined for any. */
  readonly streamName: string | undefined;
}

/** What a cursor needs of the node. */
export interface CursorContext {
  readonly storage: Storage;
  readonly present: (record: Buffer) => Buffer;
}

/** No messages. */
export function nothing(): Buffer[] {
  return [];
}
