import type { DomainEvent } from '../../domain/event-log.ts';
import type { Position } from '../../domain/position.ts';
import { inTransaction, type Pool, type Transaction } from '../../infra/postgres.ts';
import { quoted, type Build } from '../builds/build-store.ts';
import { moveCheckpoints, type Step } from '../builds/checkpoints.ts';
import type { Batch, TakenEvent } from './decoding.ts';
import type { PostgresProjection } from '../projection.ts';

/** A build that a runner feeds, and how far it believes the build to be. */
export type Fed = {
  readonly build: Build;
  readonly projection: PostgresProjection;
  readonly handled: ReadonlySet<string>;
  position: Position;
  /** Events of the log up to `position`. */
  events: number;
};

/** Somebody else moved the build's checkpoint, or a crash of PostgreSQL took it back: read it again. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

/** An event that intake could not read, met by a projection that needs it. */
export class UnreadableInBatchError extends Error {
  override readonly name = 'UnreadableInBatchError';
}

/** The part of a batch that a build has not passed, and what of it the build's projection handles. */
export type Share = { readonly step: Step; readonly handled: readonly TakenEvent[] };

/**
 * What a batch means for a build; undefined when the build has passed all of it, as after a delivery that came twice,
 * or ends before it.
 */
export function shareOf(fed: Fed, batch: Batch): Share | undefined {
  const until = fed.build.untilPosition;
  const fresh = batch.events.filter(
    ({ recorded: { position } }) => position > fed.position && (until === undefined || position <= until),
  );
  const last = fresh.at(-1);
  if (last === undefined) return undefined;
  const step = {
    buildId: fed.build.id,
    storeId: fed.build.storeId,
    from: fed.position,
    to: last.recorded.position,
    events: fresh.length,
  };
  return { step, handled: fresh.filter(({ recorded }) => fed.handled.has(recorded.type)) };
}

/** What is done in the transaction that applies events to a model, such as announcing them. */
export type Alongside = (
  tx: Pick<Transaction, 'query'>,
  model: string,
  events: readonly DomainEvent[],
) => Promise<void>;

/**
 * Applies a share and moves the checkpoint in one transaction, and only if the checkpoint stands where the share
 * begins: exactly once, wherever either side is killed. Throws FencedError when it does not stand there; then nothing
 * is written.
 */
export async function applyShare(pool: Pool, fed: Fed, { step, handled }: Share, alongside?: Alongside): Promise<void> {
  const events = handled.map(readable);
  await inTransaction(pool, async (tx) => {
    const moved = await moveCheckpoints(tx, [step]);
    if (!moved.has(step.buildId))
      throw new FencedError(`the checkpoint of ${fed.build.location} is no longer at ${step.from}`);
    if (events.length === 0) return;
    await fed.projection.apply(tx, quoted(fed.build.location), events);
    await alongside?.(tx, fed.projection.name, events);
  });
  advance(fed, step);
}

/** Notes that a step of a build is committed. */
export function advance(fed: Fed, step: Step): void {
  fed.position = step.to;
  fed.events += step.events;
}

function readable(taken: TakenEvent): DomainEvent {
  if (taken.event !== undefined) return taken.event;
  const { type, id, streamId } = taken.recorded;
  throw new UnreadableInBatchError(`${type} ${id} of ${streamId} cannot be read`, { cause: taken.unreadable });
}
