import type { DomainEvent, EventOfType, EventType } from '../../domain/event-log.ts';

/** The events of a batch that a projection declares, typed as such, so that its switch can be exhaustive. */
export function declaredOf<T extends EventType>(
  handles: readonly T[],
  events: readonly DomainEvent[],
): EventOfType<T>[] {
  return events.filter((event): event is EventOfType<T> => handles.some((type) => type === event.type));
}

/**
 * Splits a batch into the longest runs of the same kind, in log order: each run can then be written set-based although
 * one event of another kind (a deletion, an erasure) touches rows that the events around it write.
 */
export function runsOf<E, K extends string>(events: readonly E[], kindOf: (event: E) => K): { kind: K; events: E[] }[] {
  const runs: { kind: K; events: E[] }[] = [];
  for (const event of events) {
    const kind = kindOf(event);
    const last = runs.at(-1);
    if (last?.kind === kind) last.events.push(event);
    else runs.push({ kind, events: [event] });
  }
  return runs;
}

/** Ends an exhaustive switch: does not compile while a case is missing. */
export function unreachable(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
