import type { Message } from 'kafkajs';
import { z } from 'zod';
import { OwnerId } from '../../domain/ids.ts';
import { Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { LANES, lanesOf } from '../lane-keys.ts';

/** Where the events of the log stand in Kafka: lane n is partition n. */
export const domainEventsTopic = (prefix: string) => ({
  topic: `${prefix}domain-events`,
  partitions: LANES,
  retentionMs: 7 * 24 * 60 * 60_000,
});

/**
 * What a partition says: all events of its lane after `after` and up to `position`. That is one event, at `position`,
 * or a watermark: none.
 */
export type LaneMessage = {
  readonly storeId: string;
  readonly after: Position;
  readonly position: Position;
  readonly recorded?: RecordedEvent;
};

/** A message that no relay of this program made. */
export class ForeignMessageError extends Error {
  override readonly name = 'ForeignMessageError';
}

const Body = z.object({
  streamId: z.string(),
  revision: z.coerce.bigint(),
  type: z.string(),
  data: z.unknown(),
  metadata: z.unknown(),
  createdAt: z.iso.datetime().transform((text) => new Date(text)),
});
const Header = z.union([z.string(), z.instanceof(Buffer)]).transform(String);
const Headers = z.object({
  store: Header,
  after: Header.pipe(Position),
  position: Header.pipe(Position),
  'event-id': Header.optional(),
});
const Owners = z.object({ owners: z.array(OwnerId) });
const Traced = z.object({ traceparent: z.string() });

/**
 * The lanes of an event: those of its owners; all of them when it does not tell, because it stands in everybody's way
 * then.
 */
export function lanesOfRecorded({ metadata }: RecordedEvent): number[] {
  const told = Owners.safeParse(metadata);
  return told.success ? lanesOf(told.data.owners) : Array.from({ length: LANES }, (_, lane) => lane);
}

/** The message for one partition. Personal data stay sealed, as they are in the log. */
export function encodeMessage(lane: number, { storeId, after, position, recorded }: LaneMessage): Message {
  const headers = { store: storeId, after, position };
  if (recorded === undefined) return { partition: lane, key: `lane-${String(lane)}`, value: null, headers };
  const { streamId, revision, type, data, metadata, createdAt } = recorded;
  const traced = Traced.safeParse(metadata);
  return {
    partition: lane,
    key: streamId,
    value: JSON.stringify({ streamId, revision: revision.toString(), type, data, metadata, createdAt }),
    headers: {
      ...headers,
      'event-id': recorded.id,
      ...(traced.success ? { traceparent: traced.data.traceparent } : {}),
    },
  };
}

/** Reads a message back. Throws ForeignMessageError. */
export function decodeMessage({ headers, value }: Pick<Message, 'headers' | 'value'>): LaneMessage {
  const head = Headers.safeParse(headers);
  if (!head.success)
    throw new ForeignMessageError(`a message in Kafka lacks its headers: ${z.prettifyError(head.error)}`);
  const { store: storeId, after, position, 'event-id': id } = head.data;
  if (value === null || id === undefined) return { storeId, after, position };
  return { storeId, after, position, recorded: { id, position, ...bodyOf(String(value)) } };
}

function bodyOf(text: string): z.output<typeof Body> {
  try {
    return Body.parse(JSON.parse(text));
  } catch (error) {
    throw new ForeignMessageError('a message in Kafka is no event', { cause: error });
  }
}
