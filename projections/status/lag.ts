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

/** What is read and counted, in turn. */
const PAGES = [50, 950, 9_000];
/** A read backwards begins with the event before the head. */
const HEAD_ITSELF = 1;
const AT_HEAD: Lag = { events: 0, estimated: false, seconds: 0 };

/**
 * Measures how far several places lie behind the head, with one short read of the log, backwards from the head: what
 * lies behind the newest event of ours is nobody's lag and is not looked at. `reference` is the farthest counted place:
 * beyond what is read, lags are estimated from it.
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
  const tail = await readTail(store, lowest, head);
  for (const place of behind) {
    const next = await firstBehind(store, place, tail);
    const counted =
      place >= tail.after
        ? tail.newestFirst.filter(({ position }) => position > place).length + HEAD_ITSELF
        : undefined;
    lags.set(place, {
      events: counted ?? estimate(place, head, reference),
      estimated: counted === undefined,
      seconds: next === undefined ? 0 : Math.max(0, (now.getTime() - next.getTime()) / 1_000),
    });
  }
  return { head, lags };
}

type Placed = { readonly position: Position; readonly createdAt: Date };
/** Events before the head, all of those behind `after`. */
type Tail = { readonly after: Position; readonly newestFirst: readonly Placed[] };

// In growing pages: most places are nearly at the head.
async function readTail(store: Pick<EventStore, 'readAll'>, lowest: Position, head: Position): Promise<Tail> {
  const newestFirst: Placed[] = [];
  let after = head;
  for (const limit of PAGES) {
    const page: Placed[] = [];
    for await (const { position, createdAt } of store.readAll({ before: after, backwards: true, limit }))
      page.push({ position, createdAt });
    for (const one of page) newestFirst.push(one);
    after = page.at(-1)?.position ?? after;
    if (page.length < limit || after <= lowest) return { after: lowest, newestFirst };
  }
  return { after, newestFirst };
}

/** How many events the log has up to `head`, judged from a counted place. */
export function estimateTotal(reference: Counted, head: Position): number {
  if (reference.position === START_OF_LOG) return 0;
  return Math.round(reference.events / Math.max(shareOfLog(reference.position, head), 1e-9));
}

// The oldest event behind a place, by its time.
async function firstBehind(
  store: Pick<EventStore, 'readAll'>,
  place: Position,
  { after, newestFirst }: Tail,
): Promise<Date | undefined> {
  const known = place < after ? undefined : newestFirst.findLast(({ position }) => position > place);
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
