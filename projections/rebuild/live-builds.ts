import { setTimeout as delay } from 'node:timers/promises';
import type { Position } from '../../domain/position.ts';
import type { Pool, Sql } from '../../infra/postgres.ts';
import { listBuilds, quoted, type Build } from '../builds/build-store.ts';
import { readCheckpoints } from '../builds/checkpoints.ts';
import type { PostgresProjection } from '../projection.ts';
import type { Target } from './rebuild-plan.ts';
import type { ReplayDeps } from './replay.ts';

const REACH_LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 50;

/** The quoted schema of a projection's live build. */
export function schemaOf(live: readonly Build[], projection: string): string {
  return quoted(live.find((build) => build.projection === projection)?.location ?? '');
}

/**
 * The live build of each projection. Throws, with what to run, when one is missing, of another version or of another
 * log.
 */
export async function liveBuilds(
  { pool, store }: Pick<ReplayDeps, 'pool' | 'store'>,
  projections: readonly PostgresProjection[],
): Promise<Build[]> {
  const builds = (await listBuilds(pool)).filter(({ state }) => state === 'live');
  return projections.map(({ name, version }) => {
    const live = builds.find(({ projection }) => projection === name);
    if (live === undefined)
      throw new Error(
        `${name} has no live build: start the projector, or run "shutterlog projections rebuild ${name}"`,
      );
    if (live.storeId !== store.storeId)
      throw new Error(`${name} was built from another log: run "shutterlog projections rebuild ${name}"`);
    if (live.version !== version)
      throw new Error(
        `${name} is of version ${String(live.version)}, this program has ${String(version)}: run "shutterlog projections rebuild --outdated"`,
      );
    return live;
  });
}

/** Where the live build of each target stands, by the target's build. */
export async function positionsOfLive(
  sql: Sql,
  targets: readonly Target<PostgresProjection>[],
  live: readonly Build[],
): Promise<Map<number, Position>> {
  const checkpoints = await readCheckpoints(
    sql,
    live.map(({ id }) => id),
  );
  return new Map(
    targets.map(({ projection, build }) => {
      const position = checkpoints.get(live.find((one) => one.projection === projection.name)?.id ?? -1)?.position;
      if (position === undefined) throw new Error(`the live build of ${projection.name} went away`);
      return [build.id, position];
    }),
  );
}

/**
 * Waits, at most a minute, until no live build lies behind its target: a target can only be moved forward.
 */
export async function liveHasReached(
  pool: Pool,
  live: readonly Build[],
  targets: readonly Target<PostgresProjection>[],
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + REACH_LIMIT_MS;
  for (;;) {
    const checkpoints = await readCheckpoints(
      pool,
      [...live, ...targets.map(({ build }) => build)].map(({ id }) => id),
    );
    const behind = targets.find(({ projection, build }) => {
      const [ours, theirs] = [
        checkpoints.get(build.id),
        checkpoints.get(live.find((one) => one.projection === projection.name)?.id ?? -1),
      ];
      return ours !== undefined && theirs !== undefined && theirs.position < ours.position;
    });
    if (behind === undefined) return;
    signal.throwIfAborted();
    if (performance.now() > deadline)
      throw new Error(`the live build of ${behind.projection.name} does not move on: is the projector running?`);
    await delay(LOOK_EVERY_MS);
  }
}
