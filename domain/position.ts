import { z } from 'zod';

/**
 * A place in the log, comparable with `<` on strings and opaque otherwise. Only infra/event-store/event-store.ts, consistency
 * tokens and checkpoints make or store one; nobody may assume that it is a number, so that it can become a vector.
 */
export const Position = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .brand<'Position'>();
export type Position = z.infer<typeof Position>;

/** The position before the first event. */
export const START_OF_LOG: Position = Position.parse('0'.repeat(32));

/** Negative when `a` lies before `b`, 0 when they are the same place, positive otherwise. */
export function comparePositions(a: Position, b: Position): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The later of two places. */
export function laterOf(a: Position, b: Position): Position {
  return a < b ? b : a;
}
