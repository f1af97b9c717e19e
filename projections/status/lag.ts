import { START_OF_LOG, type Position } from '../../domain/position.ts';
import { shareOfLog, type EventStore } from '../../infra/event-store/event-store.ts';

/** How far a place lies behind the head of the log. */
export type Lag = {
  readonly events: number;
  /** True when `events` is judged from positions, because counting would take too long. */
  readonly estimated: boolean;
  /** Age of the oldest event behind the place; 0 at the head. */
  readonly seconds: number;
};

/** A place whose number of events from the start of the log is known. */
export type Counted = { readonly position: Position; readonly events: number };

const COUNTED_AT_MOST = 10_000;
const AT_HEAD: Lag = { events: 0, estimated: false, seconds: 0 };

/**
 * Measures how far several places lie behind the head, with one short read of the log. `reference` is the farthest
 * counted place: beyond what is read, lags are estimated from it.
 */
export async function measureLags(
  store: Pick<EventStore, 'readAll' | 'head'>,
  places: readonly Position[],
  reference: Counted,
  now: Date,
): Promise<{ head: Position; lags: ReadonlyMap<Position, Lag> }> {
  const head = await store.head();
  const behind = [...new Set(places)].filter((position) => position < head).sort();
  const lags = new Map<Position, Lag>(places.map((position) => [position, AT_HEAD]));
  const [lowest] = behind;
  if (lowest === undefined) return { head, lags };
  const read: { position: Position; createdAt: Date }[] = [];
  for await (const { position, createdAt } of store.readAll({ after: lowest, limit: COUNTED_AT_MOST }))
    read.push({ position, createdAt });
  const complete = read.length < COUNTED_AT_MOST;
  for (const place of behind) {
    const next = await firstBehind(store, place, read);
    const events = complete ? read.filter(({ position }) => position > place).length : estimate(place, head, reference);
    lags.set(place, {
      events,
      estimated: !complete,
      seconds: next === undefined ? 0 : Math.max(0, (now.getTime() - next.getTime()) / 1_000),
    });
  }
  return { head, lags };
}

/** How many events the log has up to `head`, judged from a counted place. */
export function estimateTotal(reference: Counted, head: Position): number {
  if (reference.position === START_OF_LOG) return 0;
  return Math.round(reference.events / Math.max(shareOfLog(reference.position, head), 1e-9));
}

async function firstBehind(
  store: Pick<EventStore, 'readAll'>,
  place: Position,
  read: readonly { position: Position; createdAt: Date }[],
): Promise<Date | undefined> {
  const known = read.find(({ position }) => position > place);
  if (known !== undefined) return known.createdAt;
  for await (const { createdAt } of store.readAll({ after: place, limit: 1 })) return createdAt;
  return undefined;
}

function estimate(place: Position, head: Position, reference: Counted): number {
  const total = estimateTotal(reference, head);
  const done =
    place <= reference.position
      ? reference.events * shareOfLog(place, reference.position)
      : total * shareOfLog(place, head);
  return Math.max(0, Math.round(total - done));
}
