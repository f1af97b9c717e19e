import { eventTypeFilter, START, type EventStoreDBClient } from '@eventstore/db-client';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import { parsePosition, positionOf } from './event-store-positions.ts';

/** A type that no event has: the server looks through the log and sends nothing but places. */
const NO_SUCH_TYPE = ' no such type';
const WINDOW = 1_000;

/**
 * Places about every `every` events (a multiple of 1,000, system events included) from behind `after` to `head`, the
 * newest event of ours, which is the last of them. Far cheaper than reading: the server skips through the log by
 * itself.
 */
export async function* milestones(
  client: EventStoreDBClient,
  { after, head, every }: { after: Position; head: Position; every: number },
): AsyncIterable<Position> {
  if (after >= head) return;
  const found: Position[] = [];
  let failure: unknown;
  let caughtUp = false;
  let wake: () => void = () => undefined;
  const fail = (error: unknown) => {
    failure ??= error;
    wake();
  };
  const subscription = client.subscribeToAll({
    fromPosition: after === START_OF_LOG ? START : parsePosition(after),
    filter: eventTypeFilter({
      prefixes: [NO_SUCH_TYPE],
      maxSearchWindow: WINDOW,
      checkpointInterval: Math.max(1, Math.round(every / WINDOW)),
      checkpointReached: (_, place) => {
        found.push(positionOf(place));
        wake();
      },
    }),
  });
  subscription.on('caughtUp', () => {
    caughtUp = true;
    wake();
  });
  subscription.on('error', fail);
  subscription.on('end', () => {
    fail(new Error('the event store stopped looking through the log'));
  });
  subscription.resume();
  const next = async (): Promise<Position | undefined> => {
    while (found.length === 0 && !caughtUp && failure === undefined)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    if (found.length === 0 && !caughtUp) throw failure;
    return found.shift();
  };
  try {
    for (let last = after, place = await next(); place !== undefined && place < head; place = await next()) {
      if (place > last) yield place;
      last = place;
    }
    yield head;
  } finally {
    await subscription.unsubscribe().catch(() => undefined);
  }
}
