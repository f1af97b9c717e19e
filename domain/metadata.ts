import { z } from 'zod';
import { AccountId, OwnerId } from './ids.ts';

/** Who caused an event: an account, or the system itself in a reaction. */
export const Actor = z.union([AccountId, z.literal('system')]);
export type Actor = z.infer<typeof Actor>;

/** The metadata of every domain event. */
export const EventMetadata = z.object({
  $correlationId: z.string().min(1).max(100),
  $causationId: z.string().min(1).max(100),
  commandId: z.uuid(),
  actorId: Actor,
  /** The lanes that must see the event, set by the command. */
  owners: z.array(OwnerId).max(4),
  occurredAt: z.iso.datetime().transform((text) => new Date(text)),
  traceparent: z.string().max(100).optional(),
  schemaVersion: z.int().positive(),
});
export type EventMetadata = z.infer<typeof EventMetadata>;
