import { setTimeout as delay } from 'node:timers/promises';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import { inTransaction, type Pool } from '../../infra/postgres.ts';
import { advance, applyShare, FencedError, shareOf, type Alongside, type Fed, type Share } from './apply-batch.ts';
import type { StoppedAt } from '../builds/build-store.ts';
import type { OnPoison } from '../builds/settings.ts';
import { moveCheckpoints } from '../builds/checkpoints.ts';
import { describe, isOutage } from '../failures.ts';
import { takeIn } from './decoding.ts';
import type { DataKeys } from '../../infra/vault/personal-data.ts';

export type Carefully = {
  readonly pool: Pool;
  readonly keys: DataKeys;
  readonly onPoison: (projection: string, eventId: string) => Promise<OnPoison>;
  /** Tries for one event before it counts as poison. */
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly alongside?: Alongside;
};

/**
 * Applies events one by one, each tried a bounded number of times with a growing pause. Returns the event that stopped
 * the build, or undefined when all were applied or parked. Throws on an outage or when fenced; neither counts as a try.
 */
export async function applyCarefully(
  deps: Carefully,
  fed: Fed,
  events: readonly RecordedEvent[],
): Promise<StoppedAt | undefined> {
  for (const recorded of events) {
    const failure = await tryOne(deps, fed, recorded);
    if (failure === undefined) continue;
    const stopped = stoppedAt(recorded, failure.error, deps.attempts);
    if ((await deps.onPoison(fed.projection.name, recorded.id)) === 'stop') return stopped;
    await park(deps.pool, fed, failure.share, stopped);
  }
  return undefined;
}

async function tryOne(
  { pool, keys, attempts, firstDelayMs, alongside }: Carefully,
  fed: Fed,
  recorded: RecordedEvent,
): Promise<{ share: Share; error: unknown } | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const share = shareOf(fed, await takeIn([recorded], fed.handled, keys));
    if (share === undefined) return undefined;
    try {
      await applyShare(pool, fed, share, alongside);
      return undefined;
    } catch (error) {
      if (error instanceof FencedError || isOutage(error)) throw error;
      if (attempt >= attempts) return { share, error };
      await delay(firstDelayMs * 3 ** (attempt - 1));
    }
  }
}

function stoppedAt({ id, type, streamId, position }: RecordedEvent, error: unknown, attempts: number): StoppedAt {
  const cause = error instanceof Error && error.cause !== undefined ? `: ${describe(error.cause)}` : '';
  return {
    eventId: id,
    type,
    streamId,
    position,
    error: `${describe(error)}${cause}`,
    attempts,
    at: new Date().toISOString(),
  };
}

// The dead letter and the step over it are one transaction: no event is lost between them.
async function park(pool: Pool, fed: Fed, { step }: Share, poison: StoppedAt): Promise<void> {
  await inTransaction(pool, async (tx) => {
    const moved = await moveCheckpoints(tx, [step]);
    if (!moved.has(step.buildId))
      throw new FencedError(`the checkpoint of ${fed.build.location} is no longer at ${step.from}`);
    await tx.query(
      `insert into projections.dead_letter (build_id, event_id, projection, stream_id, type, position, error, attempts)
       values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
      [
        fed.build.id,
        poison.eventId,
        fed.projection.name,
        poison.streamId,
        poison.type,
        poison.position,
        poison.error,
        poison.attempts,
      ],
    );
  });
  advance(fed, step);
}
