import type { AllStreamResolvedEvent, EventStoreDBClient, ResolvedEvent } from '@eventstore/db-client';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { abandon, EVERY_TYPE, NO_EVENT, openRead, readPage, type Answer } from './event-store-calls.ts';
import { awayError, SCAN_LIMIT_MS } from './event-store-failures.ts';
import { positionOf } from './event-store-positions.ts';

const PAGE_AT_MOST = 5_000;

/** Where a read begins, how far it goes, and which way. */
export type Reading =
  | { readonly after?: Position; readonly limit?: number; readonly backwards?: false }
  | { readonly before?: Position; readonly limit?: number; readonly backwards: true };

/** Events of the whole log without system events: after a position, at most some, or newest first. */
export async function* readAll(client: EventStoreDBClient, reading: Reading): AsyncIterable<RecordedEvent> {
  const from = reading.backwards === true ? (reading.before ?? 'end') : (reading.after ?? START_OF_LOG);
  const way: Way = { from, backwards: reading.backwards === true };
  if (reading.limit === undefined) yield* readToEnd(client, way);
  else yield* readSome(client, way, reading.limit);
}

type Way = { readonly from: Position | 'end'; readonly backwards: boolean };

// In whole pages: a call that is cancelled costs the connection, and after some hundred of them in a row it is closed.
async function* readSome(
  client: EventStoreDBClient,
  { from, backwards }: Way,
  limit: number,
): AsyncIterable<RecordedEvent> {
  for (let left = limit, place = from; left > 0;) {
    // No more than is asked for, and what the page begins with: the server would look for the rest among all that lies
    // behind.
    const size = Math.min(left, PAGE_AT_MOST) + (isIncluded(place, backwards) ? 1 : 0);
    const page = await readPage(client, { from: place, backwards, size, wanted: EVERY_TYPE }, SCAN_LIMIT_MS);
    const ours = page.flatMap(({ position, event }) => (position === place ? [] : (event ?? []))).slice(0, left);
    yield* ours;
    left -= ours.length;
    place = page.at(-1)?.position ?? place;
    if (page.length < size) return;
  }
}

/** A read forwards begins with the event at the place that it starts from, a read backwards with the one before it. */
function isIncluded(place: Position | 'end', backwards: boolean): boolean {
  return !backwards && place !== START_OF_LOG;
}

async function* readToEnd(client: EventStoreDBClient, { from, backwards }: Way): AsyncIterable<RecordedEvent> {
  const opening = openRead(client, { from, backwards, size: 'all', wanted: EVERY_TYPE });
  let ended = false;
  try {
    // Unlike the usual iterator this one leaves the call alive when its reader stops, so that it can be drained.
    const answers: AsyncIterable<Answer> = { [Symbol.asyncIterator]: () => call.iterator({ destroyOnReturn: false }) };
    const call = await opening;
    for await (const answer of answers)
      if (answer !== NO_EVENT && answer.event !== undefined && answer.position !== from) yield answer.event;
    ended = true;
  } catch (error) {
    ended = true;
    throw awayError('the reading of the log', error);
  } finally {
    // A reader that stops early leaves the call open, and the server pushing, unless it is told.
    if (!ended) abandon(opening);
  }
}

/** An event as the program sees it; undefined for system events. */
export function toRecorded(resolved: ResolvedEvent | AllStreamResolvedEvent): RecordedEvent | undefined {
  const event = resolved.event;
  if (event === undefined || event.type.startsWith('$') || event.streamId.startsWith('$')) return undefined;
  if (event.position === undefined) throw new Error(`the event store gave no position for ${event.id}`);
  return {
    streamId: event.streamId,
    revision: event.revision,
    position: positionOf(event.position),
    id: event.id,
    type: event.type,
    data: event.data,
    metadata: event.metadata,
    createdAt: event.created,
  };
}
