import type { DomainEvent, EventType } from '../../domain/event-log.ts';
import type { CommandContext } from '../handle.ts';

/**
 * What follows from an event in the world outside the read models: a command, a job, a message. Every event of the
 * types in `handles` reaches `react` in log order, at least once; the context's command id is the same each time, so
 * that commands append nothing twice. A rejection is tried again and in the end stalls this reaction, never the others.
 */
export type Reaction = {
  /** Names the checkpoint; never changed, or the reaction would begin anew. */
  readonly name: string;
  readonly handles: readonly EventType[];
  /** Tables of its own in the schema `reactions`, created when missing. */
  readonly ddl?: string;
  /**
   * Where it begins in a log that held events before it was there, when it does not matter who is told what again.
   * Default: the operator says.
   */
  readonly begins?: 'start';
  readonly react: (event: DomainEvent, context: CommandContext) => Promise<void>;
};

/** Work that time brings about, done again and again by the leading reactor. */
export type Sweep = {
  readonly name: string;
  readonly everyMs: number;
  /** Does what is due at `now` and says how many things that were. Stops soon after `signal`. */
  readonly sweep: (now: Date, signal: AbortSignal) => Promise<number>;
};

/**
 * Read models that a reaction goes by have not come as far as its event: it is taken again when they may have, and not
 * held against it.
 */
export class ModelsBehindError extends Error {
  override readonly name = 'ModelsBehindError';
}
