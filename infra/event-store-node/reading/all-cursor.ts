import { nothing } from './cursor.ts';
import type { Cursor, CursorContext, Found } from './cursor.ts';
import type { EventFilter } from './event-filter.ts';
import { checkPosition, PAGE } from './read-events.ts';
import { checkpoint } from './read-messages.ts';
import type { Position } from './read-request.ts';
import type { Storage } from '../storage/storage.ts';

/**
 * Follows `$all` from a position on; with a filter it also tells where it is while nothing matches. Throws an RpcError
 * when the position lies between events.
 */
export function allCursor(
  { storage, present }: CursorContext,
  from: 'start' | 'end' | Position,
  filter: EventFilter | undefined,
): Cursor {
  let next = subscriptionStart(from, storage);
  let considered = 0;
  let lastSeen = lastBefore(from, storage);
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
    if (filter === undefined)
      return { messages: page.records.map(present), atEnd: page.done, caughtUp: true, beforeCaughtUp: nothing };
    for (const [index, record] of page.records.entries()) {
      lastSeen = page.positions[index] ?? lastSeen;
      if (filter.matches(record)) messages.push(present(record));
      considered = (considered + 1) % filter.checkpointInterval;
      if (considered === 0) messages.push(...checkpointAt(lastSeen));
    }
    return { messages, atEnd: page.done, caughtUp: true, beforeCaughtUp: () => checkpointAt(lastSeen) };
  };
  return { look, streamName: undefined };
}

function subscriptionStart(from: 'start' | 'end' | Position, storage: Storage): number {
  if (from === 'start') return 0;
  if (from === 'end') return storage.end;
  checkPosition(storage, from, 'forwards');
  return from.prepare < from.commit ? from.commit : from.commit + 1;
}

/** The event that a client which begins there has behind it: the place that it is told until there is a later one. */
function lastBefore(from: 'start' | 'end' | Position, storage: Storage): number | undefined {
  if (from === 'end') return storage.pageBackward(Infinity, { records: 1, bytes: 1 }).positions[0];
  return from === 'start' || from.prepare < from.commit ? undefined : from.commit;
}
