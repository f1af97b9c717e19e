/** A business refusal: a value, never thrown. `code` is stable and reaches clients; `detail` says what to do next. */
export type Refusal<Code extends string = string> = { readonly code: Code; readonly detail?: string };

/** What a decision gives: facts to append (none when the command changes nothing), or a refusal. */
export type Decision<Event, Code extends string> =
  { readonly ok: true; readonly events: readonly Event[] } | { readonly ok: false; readonly refusal: Refusal<Code> };

/** The pure core of one aggregate. Time, ids and looked-up facts arrive inside the command. */
export type Decider<State, Command, Event extends { readonly type: string }, Code extends string> = {
  /** The event types that may stand in the aggregate's streams; anything else there is a defect. */
  readonly eventTypes: readonly Event['type'][];
  readonly initial: State;
  readonly evolve: (state: State, event: Event) => State;
  readonly decide: (command: Command, state: State) => Decision<Event, Code>;
};

/** Accepts a command with the facts that it makes true. */
export function accept<Event>(...events: Event[]): { ok: true; events: Event[] } {
  return { ok: true, events };
}

/** Refuses a command. */
export function refuse<const Code extends string>(code: Code, detail?: string): { ok: false; refusal: Refusal<Code> } {
  return { ok: false, refusal: detail === undefined ? { code } : { code, detail } };
}
