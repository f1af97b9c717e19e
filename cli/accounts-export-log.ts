import { START_OF_LOG, type Position } from '../domain/position.ts';
import type { RecordedEvent } from '../domain/recorded-event.ts';
import type { EventStore } from '../infra/event-store/event-store.ts';

const EVENTS_A_PART = 10_000;
/** By so much the clocks of the program and of the event store may differ. */
const CLOCKS_MS = 24 * 3_600_000;
const ALL_TYPES = { has: () => true };

/** Some events of the log, and how much of what is to be read lies behind them, from 0 to 1. */
export type PartOfLog = { readonly events: readonly RecordedEvent[]; readonly share: number };

type Log = Pick<EventStore, 'milestones' | 'readAll' | 'readRange'>;

/**
 * The log up to its present end, in order and in parts of about `eventsAPart` events, without most of what was written
 * before `since`; all of it for undefined. Only the server's own times count: an event may tell of any other one.
 */
export async function* logSince(
  log: Log,
  since: Date | undefined,
  eventsAPart = EVENTS_A_PART,
): AsyncGenerator<PartOfLog> {
  const places = [START_OF_LOG];
  for await (const place of log.milestones({ after: START_OF_LOG, every: eventsAPart })) places.push(place);
  const first = since === undefined ? 0 : await lastBefore(log, places, since.getTime() - CLOCKS_MS);
  for (let part = first; part + 1 < places.length; part += 1) {
    const [after, until] = [places[part] ?? START_OF_LOG, places[part + 1] ?? START_OF_LOG];
    const events = await log.readRange({ after, until, about: eventsAPart, wanted: ALL_TYPES });
    yield { events, share: (part + 1 - first) / (places.length - 1 - first) };
  }
}

/** The number of the last place behind which the log goes on with an event from before a time; 0 when there is none. */
async function lastBefore(log: Log, places: readonly Position[], timeMs: number): Promise<number> {
  let [low, high] = [0, places.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (await goesOnBefore(log, places[middle] ?? START_OF_LOG, timeMs)) low = middle;
    else high = middle - 1;
  }
  return low;
}

async function goesOnBefore(log: Log, after: Position, timeMs: number): Promise<boolean> {
  for await (const { createdAt } of log.readAll({ after, limit: 1 })) return createdAt.getTime() < timeMs;
  return false;
}
