import { z } from 'zod';
import { Position } from '../../domain/position.ts';

/**
 * Events in a range, system events included: enough to write set-based, few enough that some ranges for each thread fit
 * into memory.
 */
export const RANGE_EVENTS = 10_000;

/**
 * What a replay thread is started with: where its stores are, which builds it helps to fill, and where each of them
 * ends.
 */
export const ReplayTask = z.object({
  databaseUrl: z.string(),
  eventStoreUrl: z.string(),
  masterKey: z.string(),
  builds: z.array(z.object({ id: z.int(), until: Position.nullable() })),
});
export type ReplayTask = z.infer<typeof ReplayTask>;

/**
 * `range`: read these events. `turn`: all before the range is in the build; apply the range there. `forget`: all builds
 * have it.
 */
export const ToReplayThread = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('range'), index: z.int(), after: Position, until: Position }),
  z.object({ kind: z.literal('turn'), index: z.int(), buildId: z.int(), position: Position, events: z.int() }),
  z.object({ kind: z.literal('forget'), index: z.int() }),
]);
export type ToReplayThread = z.infer<typeof ToReplayThread>;

/** `ready`: the range is read. `done`: it is in the build, which stands at `position` now. */
export const FromReplayThread = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready'), index: z.int() }),
  z.object({ kind: z.literal('done'), index: z.int(), buildId: z.int(), position: Position, events: z.int() }),
  z.object({ kind: z.literal('failed'), message: z.string() }),
]);
export type FromReplayThread = z.infer<typeof FromReplayThread>;
