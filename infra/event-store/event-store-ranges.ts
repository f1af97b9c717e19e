import type { EventStoreDBClient } from '@eventstore/db-client';
import type { Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { readPage } from './event-store-calls.ts';
import type { Decoded, Wanted } from './event-store-decoding.ts';
import { SCAN_LIMIT_MS } from './event-store-failures.ts';
import { parsePosition } from './event-store-positions.ts';

/** A part of the log: what lies behind `after`, up to and with `until`. */
export type Range = {
  readonly after: Position;
  readonly until: Position;
  /** How many events it has, system events included; right or not, all of them are read. */
  readonly about: number;
  /** Types whose data and metadata are needed; those of others stay undefined. */
  readonly wanted: Wanted;
};

/** A read may begin with the event at the place that it starts from. */
const START_INCLUDED = 1;
/** What a page has at least. */
const PAGE_AT_LEAST = 200;
/** What a page has at most. */
const PAGE_AT_MOST = 20_000;
/** A page is a little larger than what is expected to be left, so that it is the last one more often than not. */
const MARGIN = 1.05;

/**
 * Reads ranges of the log for whoever replays many events. Connections and calls are the client's; the answers are
 * decoded here, at a fraction of what its own decoding costs.
 */
export class RangeReader {
  readonly #client: EventStoreDBClient;
  /** Where the last range that was read found nothing of ours beyond its own end. */
  #empty: { readonly after: Position; readonly before: Position } | undefined;

  constructor(client: EventStoreDBClient) {
    this.#client = client;
  }

  /** All events of ours in a range, in order. Throws EventStoreAwayError when the connection is lost. */
  async read({ after, until, about, wanted }: Range): Promise<RecordedEvent[]> {
    // Else each range amid many events of the server's own would have all of them looked through up to the next of
    // ours.
    if (this.#isEmpty(after, until)) return [];
    const events: RecordedEvent[] = [];
    // A read ends by its number of events and not at a place: the first page tells how densely ours lie, and how many
    // there will be.
    let size = clamp(about / 10);
    for (let from = after; ;) {
      const page = await readPage(this.#client, { from, size: size + START_INCLUDED, wanted }, SCAN_LIMIT_MS);
      events.push(
        ...page.flatMap(({ position, event }) => (position > from && position <= until ? (event ?? []) : [])),
      );
      this.#noteEmpty(page, until);
      from = page.at(-1)?.position ?? until;
      if (page.length < size || from >= until) return events;
      size = clamp(((events.length * bytesBetween(from, until)) / Math.max(1, bytesBetween(after, from))) * MARGIN);
    }
  }

  #isEmpty(after: Position, until: Position): boolean {
    return this.#empty !== undefined && after >= this.#empty.after && until < this.#empty.before;
  }

  #noteEmpty(page: readonly Decoded[], until: Position): void {
    const next = page.find(({ position }) => position > until);
    if (next !== undefined) this.#empty = { after: until, before: next.position };
  }
}

function clamp(events: number): number {
  return Math.min(PAGE_AT_MOST, Math.max(PAGE_AT_LEAST, Math.ceil(events)));
}

function bytesBetween(from: Position, to: Position): number {
  return Number(parsePosition(to).commit - parsePosition(from).commit);
}
