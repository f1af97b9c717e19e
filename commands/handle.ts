import { z } from 'zod';
import { refuse, type Decider, type Refusal } from '../domain/decider.ts';
import {
  definitionOf,
  isOneOf,
  NewerVersionError,
  parseEvent,
  type AnyEvent,
  type DomainEvent,
} from '../domain/event-log.ts';
import type { AccountId, OwnerId } from '../domain/ids.ts';
import type { Actor } from '../domain/metadata.ts';
import type { Position } from '../domain/position.ts';
import type { RecordedEvent } from '../domain/recorded-event.ts';
import { streamOf } from '../domain/streams.ts';
import { VersionConflictError, type EventStore, type NewEvent } from '../infra/event-store/event-store.ts';
import { eventIdOf } from '../infra/ids.ts';
import { openPersonalData, sealingAccount, sealPersonalData, type DataKeys } from '../infra/vault/personal-data.ts';
import { patiently } from './patience.ts';

/** The log and the keys that open it: all that loading a state needs. */
export type Log = { readonly store: EventStore; readonly keys: DataKeys };

/** Who commands, why and when; the same for every stream that one command touches. */
export type CommandContext = {
  /** UUID; a retry of the command carries the same one and appends nothing twice. */
  readonly commandId: string;
  readonly actorId: Actor;
  readonly correlationId: string;
  /** The event or request that led to the command. */
  readonly causationId: string;
  readonly now: Date;
  readonly traceparent?: string;
};

/** What an append made visible: reads wait for it through a consistency token. */
export type Written = { readonly position: Position; readonly owners: readonly OwnerId[] };

/**
 * `events` are the facts that the command made true, now or the first time. Where there are none because it was so
 * already,
 * `written` is where the stream last said so; it is undefined when the stream says nothing.
 */
export type Handled<State, Event, Code extends string> =
  | {
      readonly ok: true;
      readonly state: State;
      readonly events: readonly Event[];
      readonly written: Written | undefined;
    }
  | { readonly ok: false; readonly refusal: Refusal<Code> };

export type Handling<State, Command, Event extends AnyEvent, Code extends string> = {
  readonly decider: Decider<State, Command, Event, Code>;
  readonly streamId: string;
  readonly command: Command;
  /** Whose lanes must see each event. */
  readonly owners: (event: Event) => readonly OwnerId[];
  /**
   * The command nearly always begins its stream: it is decided on an empty one first and appended at "no stream", and
   * only when that fails is the stream read. Saves a read; for a stream that is there it costs an append that is
   * refused.
   */
  readonly opens?: boolean;
};

/** Why `handle` refuses whatever the decider says: the account that commands is erased. */
export type ActorRefusal = 'actor_erased';
type Outcome<State, Event, Code extends string> = Promise<Handled<State, Event, Code | ActorRefusal>>;

type Evolving<State, Event extends AnyEvent> = Pick<
  Decider<State, never, Event, string>,
  'eventTypes' | 'initial' | 'evolve'
>;

const StoredJson = z.record(z.string(), z.json());

/**
 * A stream holds what only a newer release of this program can read: nothing may be decided on the part that this one
 * knows.
 */
export class NewerReleaseNeededError extends Error {
  override readonly name = 'NewerReleaseNeededError';
  readonly eventType: string;
  constructor(streamId: string, eventType: string, cause?: unknown) {
    super(`${streamId} holds ${eventType} as a newer release writes it`, { cause });
    this.eventType = eventType;
  }
}

/**
 * The events of a stream, opened and parsed, oldest first. Throws NewerReleaseNeededError for a type or a version that
 * this release does not know, and an error when the stream holds an event that is another aggregate's.
 */
export async function loadEvents<Event extends AnyEvent>(
  log: Log,
  types: readonly Event['type'][],
  streamId: string,
): Promise<(DomainEvent & Event)[]> {
  const recorded = await log.store.readStream(streamId);
  // Looked at first: what a newer release seals in an event cannot be opened here.
  const unknown = recorded.find(({ type }) => definitionOf(type) === undefined);
  if (unknown !== undefined) throw new NewerReleaseNeededError(streamId, unknown.type);
  return (await openPersonalData(recorded, log.keys)).map((one) => {
    const event = parsed(streamId, one);
    if (!isOneOf<Event>(types, event)) throw new Error(`${streamId} holds ${one.type}, which does not belong there`);
    return event;
  });
}

function parsed(streamId: string, recorded: RecordedEvent): DomainEvent {
  try {
    const event = parseEvent(recorded);
    if (event !== undefined) return event;
  } catch (error) {
    if (error instanceof NewerVersionError) throw new NewerReleaseNeededError(streamId, recorded.type, error);
    throw error;
  }
  throw new NewerReleaseNeededError(streamId, recorded.type);
}

/** The state of one aggregate, as its stream tells it; the initial state when there is no stream. */
export async function loadState<State, Event extends AnyEvent>(
  log: Log,
  decider: Evolving<State, Event>,
  streamId: string,
): Promise<State> {
  return fold(decider, await loadEvents(log, decider.eventTypes, streamId));
}

/**
 * Load, evolve, decide, append at the revision that was read. After a version conflict it decides again, at most three
 * more times; while the store is away or has no leader it tries again for five seconds, and looks first whether its
 * events are there; each with a growing pause, then the error is the caller's. A command id that the stream already
 * carries appends nothing and answers as the first time.
 * Refuses with `actor_erased` what an erased account commands, by its stream as it is right before the append. An
 * erasure in between is possible; what comes behind it in the log has no effect (ADR 18).
 */
export async function handle<State, Command, Event extends AnyEvent, Code extends string>(
  log: Log,
  context: CommandContext,
  handling: Handling<State, Command, Event, Code>,
): Outcome<State, Event, Code> {
  let opens = handling.opens === true;
  return patiently(
    async () => {
      const opened = opens ? await openStream(log, context, handling) : undefined;
      return opened ?? attemptOnce(log, context, handling);
    },
    () => {
      opens = false;
    },
  );
}

// Undefined: there is a stream already; reading it gives the answer. A retry of the command that opened the stream
// finds its events there.
async function openStream<State, Command, Event extends AnyEvent, Code extends string>(
  log: Log,
  context: CommandContext,
  handling: Handling<State, Command, Event, Code>,
): Promise<Handled<State, Event, Code | ActorRefusal> | undefined> {
  const decision = handling.decider.decide(handling.command, handling.decider.initial);
  if (!decision.ok || decision.events.length === 0) return undefined;
  if (await isActorErased(log, context, handling.streamId)) return refuse('actor_erased');
  try {
    return await appendDecided(log, context, handling, {
      state: handling.decider.initial,
      events: decision.events,
      at: 'no_stream',
    });
  } catch (error) {
    if (error instanceof VersionConflictError) return undefined;
    throw error;
  }
}

async function attemptOnce<State, Command, Event extends AnyEvent, Code extends string>(
  log: Log,
  context: CommandContext,
  handling: Handling<State, Command, Event, Code>,
): Outcome<State, Event, Code> {
  const { decider, streamId, owners } = handling;
  const [past, actorErased] = await Promise.all([
    loadEvents(log, decider.eventTypes, streamId),
    isActorErased(log, context, streamId),
  ]);
  if (actorErased) return refuse('actor_erased');
  const state = fold(decider, past);
  const earlier = past.filter((event) => event.meta.commandId === context.commandId);
  const lastEarlier = earlier.at(-1);
  if (lastEarlier !== undefined) {
    return {
      ok: true,
      state,
      events: earlier,
      written: { position: lastEarlier.position, owners: allOwners(earlier, owners) },
    };
  }
  const decision = decider.decide(handling.command, state);
  if (!decision.ok) return decision;
  const { events } = decision;
  const last = past.at(-1);
  if (events.length === 0)
    return {
      ok: true,
      state,
      events,
      written: last === undefined ? undefined : { position: last.position, owners: last.meta.owners },
    };
  return appendDecided(log, context, handling, { state, events, at: last?.revision ?? 'no_stream' });
}

/** Whether an account is erased, by the newest event of its stream: nothing comes after that one. */
export async function isErased(log: Pick<Log, 'store'>, accountId: AccountId): Promise<boolean> {
  return (await log.store.lastOf(streamOf.account(accountId)))?.type === 'AccountErased';
}

// On its own stream an account's state is what the decision is made on.
async function isActorErased(log: Log, { actorId }: CommandContext, streamId: string): Promise<boolean> {
  return actorId !== 'system' && streamId !== streamOf.account(actorId) && isErased(log, actorId);
}

type Decided<State, Event> = {
  readonly state: State;
  readonly events: readonly Event[];
  readonly at: bigint | 'no_stream';
};

async function appendDecided<State, Command, Event extends AnyEvent, Code extends string>(
  log: Log,
  context: CommandContext,
  { decider, streamId, owners }: Handling<State, Command, Event, Code>,
  { state, events, at }: Decided<State, Event>,
): Promise<Handled<State, Event, Code>> {
  const proposed = await Promise.all(
    events.map((event, index) => propose(log.keys, context, event, { streamId, index, owners: owners(event) })),
  );
  const { position } = await log.store.append(streamId, at, proposed);
  return {
    ok: true,
    state: events.reduce(decider.evolve, state),
    events,
    written: { position, owners: allOwners(events, owners) },
  };
}

function fold<State, Event extends AnyEvent>(decider: Evolving<State, Event>, events: readonly Event[]): State {
  return events.reduce(decider.evolve, decider.initial);
}

function allOwners<Event>(events: readonly Event[], owners: (event: Event) => readonly OwnerId[]): OwnerId[] {
  return [...new Set(events.flatMap(owners))];
}

async function propose(
  keys: DataKeys,
  context: CommandContext,
  event: AnyEvent,
  place: { streamId: string; index: number; owners: readonly OwnerId[] },
): Promise<NewEvent> {
  const definition = definitionOf(event.type);
  if (definition === undefined) throw new Error(`${event.type} is not in the registry of events`);
  const data = StoredJson.parse(definition.schema.parse(event.data));
  const account = sealingAccount(definition, data);
  const key = account === undefined ? undefined : (await keys.forAccounts(new Set([account]))).get(account);
  if (account !== undefined && key === undefined)
    throw new Error(`${event.type}: no data key for ${account} in the vault`);
  const { commandId, actorId, correlationId, causationId, now, traceparent } = context;
  return {
    id: eventIdOf(commandId, place.streamId, place.index),
    type: event.type,
    data: key === undefined ? data : sealPersonalData(definition, data, key),
    metadata: {
      $correlationId: correlationId,
      $causationId: causationId,
      commandId,
      actorId,
      owners: [...place.owners],
      occurredAt: now.toISOString(),
      ...(traceparent === undefined ? {} : { traceparent }),
      schemaVersion: definition.version,
    },
  };
}
