import { parseEvent, type DomainEvent } from '../../domain/event-log.ts';
import type { Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import type { Portion } from '../../infra/event-store/event-store.ts';
import { openPersonalData, type DataKeys } from '../../infra/vault/personal-data.ts';
import { isOutage } from '../failures.ts';

/** A recorded event after intake: parsed, or with the reason why it cannot be, or passed over (`event` undefined). */
export type TakenEvent = {
  readonly recorded: Pick<RecordedEvent, 'id' | 'type' | 'streamId' | 'position'>;
  readonly event?: DomainEvent;
  readonly unreadable?: unknown;
};

/** Events of the log in order, as many as are handled together. */
export type Batch = { readonly events: readonly TakenEvent[]; readonly last: Position };

/**
 * Opens and parses once what any of the projections that share a batch handles. An event that cannot be read is marked,
 * so that it stops only those that handle its type. Throws only when the vault cannot be reached.
 */
export async function takeIn(recorded: Portion, handled: ReadonlySet<string>, keys: DataKeys): Promise<Batch> {
  const wanted = recorded.filter(({ type }) => handled.has(type));
  const opened = await openAll(wanted, keys);
  let next = 0;
  const events = recorded.map((one) => (one === wanted[next] ? opened[next++] : undefined) ?? { recorded: one });
  return { events, last: (recorded.at(-1) ?? recorded[0]).position };
}

async function openAll(recorded: readonly RecordedEvent[], keys: DataKeys): Promise<TakenEvent[]> {
  try {
    return (await openPersonalData(recorded, keys)).map(parseOne);
  } catch (error) {
    if (isOutage(error)) throw error;
    // One event whose key is missing must not take the others of its batch with it.
    const [only, ...others] = recorded;
    if (only !== undefined && others.length === 0) return [{ recorded: only, unreadable: error }];
    const half = Math.ceil(recorded.length / 2);
    return [...(await openAll(recorded.slice(0, half), keys)), ...(await openAll(recorded.slice(half), keys))];
  }
}

// Models and lanes get the very same object from a subscription that they share, unless it had to be opened.
const parsed = new WeakMap<RecordedEvent, TakenEvent>();

function parseOne(recorded: RecordedEvent): TakenEvent {
  const known = parsed.get(recorded);
  if (known !== undefined) return known;
  const taken = parseAnew(recorded);
  parsed.set(recorded, taken);
  return taken;
}

function parseAnew(recorded: RecordedEvent): TakenEvent {
  try {
    const event = parseEvent(recorded);
    // The event says it as well, so that the text which it was read from need not be held.
    return event === undefined ? { recorded } : { recorded: event, event };
  } catch (unreadable) {
    return { recorded, unreadable };
  }
}
