import { expect } from 'vitest';
import type { Decider } from '../domain/decider.ts';

type Typed = { readonly type: string };

/** Given past events, when a command comes, then these facts follow, or this refusal. */
export type DeciderSpec<Command, Event> = (...past: Event[]) => {
  when(command: Command): {
    /** Exactly these events, none when called without. */
    then(...events: Event[]): void;
    /** A refusal with this code. */
    thenRefused(code: string): void;
  };
};

/** Makes the given/when/then sentences of one decider. */
export function specify<State, Command, Event extends Typed, Code extends string>(
  decider: Decider<State, Command, Event, Code>,
): DeciderSpec<Command, Event> {
  return (...past) => ({
    when(command) {
      const decision = decider.decide(command, past.reduce(decider.evolve, decider.initial));
      return {
        then(...events) {
          expect(decision).toEqual({ ok: true, events });
        },
        thenRefused(code) {
          expect(decision.ok ? decision : decision.refusal).toMatchObject({ code });
        },
      };
    },
  });
}

/**
 * The history that a row of commands makes; refused commands leave no trace. Each command is decided on the state
 * before it.
 */
export function historyOf<State, Command, Event extends Typed, Code extends string>(
  decider: Decider<State, Command, Event, Code>,
  commands: readonly Command[],
): { state: State; events: Event[] } {
  let state = decider.initial;
  const events: Event[] = [];
  for (const command of commands) {
    const decision = decider.decide(command, state);
    if (!decision.ok) continue;
    events.push(...decision.events);
    state = decision.events.reduce(decider.evolve, state);
  }
  return { state, events };
}

/**
 * Laws that hold for every decider: folding the log gives the state that deciding left behind, events are of the
 * declared types, decide gives the same answer twice, and it changes neither the state nor the past.
 */
export function expectLaws<State, Command, Event extends Typed, Code extends string>(
  decider: Decider<State, Command, Event, Code>,
  commands: readonly Command[],
): void {
  const { state, events } = historyOf(decider, commands);
  expect(events.reduce(decider.evolve, decider.initial)).toEqual(state);
  const before = structuredClone(state);
  for (const event of events) expect(decider.eventTypes).toContain(event.type);
  for (const command of commands) expect(decider.decide(command, state)).toEqual(decider.decide(command, state));
  expect(state).toEqual(before);
}
