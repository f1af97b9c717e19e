import { z } from 'zod';
import { accountEvents } from './account-events.ts';
import { blockEvents } from './block.ts';
import { closeFriendEvents } from './close-friend.ts';
import { commentEvents } from './comment.ts';
import { commentLikeEvents } from './comment-like.ts';
import type { EventDefinition, EventOf } from './event-definition.ts';
import { followEvents } from './follow.ts';
import { likeEvents } from './like.ts';
import { mediaEvents } from './media-events.ts';
import { EventMetadata } from './metadata.ts';
import { muteEvents } from './mute.ts';
import type { Position } from './position.ts';
import { postEvents } from './post.ts';
import type { RecordedEvent } from './recorded-event.ts';
import { reservationEvents } from './reservation.ts';
import { saveEvents } from './save.ts';
import { storyEvents } from './story.ts';
import { storyViewEvents } from './story-view.ts';

/** Every event type that the program knows. The log is parsed here and nowhere else. */
export const eventDefinitions = [
  ...accountEvents,
  ...reservationEvents,
  ...followEvents,
  ...blockEvents,
  ...muteEvents,
  ...closeFriendEvents,
  ...mediaEvents,
  ...postEvents,
  ...likeEvents,
  ...saveEvents,
  ...commentEvents,
  ...commentLikeEvents,
  ...storyEvents,
  ...storyViewEvents,
] as const;

/** The payload of any domain event: a union on `type`. */
export type AnyEvent = EventOf<(typeof eventDefinitions)[number]>;
export type EventType = AnyEvent['type'];

/** Where and by whom an event was recorded. */
export type EventEnvelope = {
  readonly id: string;
  readonly streamId: string;
  readonly revision: bigint;
  readonly position: Position;
  readonly meta: EventMetadata;
};

/** A parsed event of the newest schema version, with its envelope. */
export type DomainEvent<E extends AnyEvent = AnyEvent> = E & EventEnvelope;

/** The domain event of one type, for handlers that take just that. */
export type EventOfType<T extends EventType> = DomainEvent<Extract<AnyEvent, { type: T }>>;

/** Narrows an event to the types in a list; the list comes from `typesOf(definitions)`. */
export function isOneOf<E extends AnyEvent>(types: readonly E['type'][], event: DomainEvent): event is DomainEvent & E {
  return types.some((type) => type === event.type);
}

/** An event that the program cannot read: unknown version, or data that its schema refuses. */
export class UnreadableEventError extends Error {
  override readonly name: string = 'UnreadableEventError';
  readonly event: Pick<RecordedEvent, 'id' | 'type' | 'streamId' | 'position'>;
  constructor(event: RecordedEvent, why: string, cause?: unknown) {
    super(`event ${event.type} ${event.id} at ${event.streamId}@${event.revision} cannot be read: ${why}`, { cause });
    this.event = { id: event.id, type: event.type, streamId: event.streamId, position: event.position };
  }
}

/** An event of a schema version that only a newer release knows. */
export class NewerVersionError extends UnreadableEventError {
  override readonly name = 'NewerVersionError';
}

const StoredData = z.record(z.string(), z.unknown());

const byType = new Map<string, EventDefinition>(eventDefinitions.map((definition) => [definition.type, definition]));

/** The definition of a type, or undefined for types that are not ours (system events, other applications). */
export function definitionOf(type: string): EventDefinition | undefined {
  return byType.get(type);
}

/**
 * Turns a recorded event, its personal data already opened, into a domain event of the newest version.
 * Returns undefined for types that are not ours; throws UnreadableEventError for ours that do not parse.
 */
export function parseEvent(recorded: RecordedEvent): DomainEvent | undefined {
  const definition = byType.get(recorded.type);
  if (definition === undefined) return undefined;
  const meta = EventMetadata.safeParse(recorded.metadata);
  if (!meta.success) throw new UnreadableEventError(recorded, 'its metadata are malformed', meta.error);
  const data = definition.schema.safeParse(upcast(definition, recorded, meta.data));
  if (!data.success) throw new UnreadableEventError(recorded, z.prettifyError(data.error), data.error);
  const { id, streamId, revision, position } = recorded;
  return asDomainEvent({ type: definition.type, data: data.data, id, streamId, revision, position, meta: meta.data });
}

function upcast(
  definition: EventDefinition,
  recorded: RecordedEvent,
  { schemaVersion: version }: EventMetadata,
): unknown {
  if (version > definition.version) {
    throw new NewerVersionError(
      recorded,
      `it has schema version ${version}, this program knows up to ${definition.version}; upgrade first`,
    );
  }
  if (version === definition.version) return recorded.data;
  try {
    return definition.upcasters
      .filter(({ from }) => from >= version)
      .reduce((data, { lift }) => lift(data), StoredData.parse(recorded.data));
  } catch (error) {
    throw new UnreadableEventError(
      recorded,
      `its data are not those of schema version ${version}: ${error instanceof z.ZodError ? z.prettifyError(error) : String(error)}`,
      error,
    );
  }
}

// The registry ties each type to its schema, which TypeScript cannot follow through a Map; this is the one place
// where a parsed value is given its union type.
function asDomainEvent(parsed: { type: string; data: unknown } & EventEnvelope): DomainEvent {
  return parsed as DomainEvent;
}
