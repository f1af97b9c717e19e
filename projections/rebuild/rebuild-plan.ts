import { inTransaction, type Pool } from '../../infra/postgres.ts';
import { createBuild, listBuilds, type Build } from '../builds/build-store.ts';
import type { LaneProjection } from '../lane-projection.ts';
import type { Leases } from '../builds/leases.ts';
import type { PostgresProjection } from '../projection.ts';
import { removeData } from '../builds/clean-up.ts';

/** Another process is rebuilding one of the projections, or one that must not change meanwhile. */
export class RebuildRunningError extends Error {
  override readonly name = 'RebuildRunningError';
  constructor(projection: string) {
    super(`${projection} is being rebuilt by another process: wait until it ends, or stop it`);
  }
}

/** `insteadOf` is what an interrupted rebuild left and this one had to throw away. */
export type Target<P> = {
  readonly projection: P;
  readonly build: Build;
  readonly resumed: boolean;
  readonly insteadOf?: { readonly build: Build; readonly why: string };
};

/** What a rebuild makes: new builds, or those that an interrupted rebuild left behind. */
export type RebuildPlan = {
  readonly postgres: readonly Target<PostgresProjection>[];
  readonly lanes: readonly Target<LaneProjection>[];
};

export type Planning = {
  readonly pool: Pool;
  readonly storeId: string;
  readonly leases: Leases;
  readonly removeKeys: (prefix: string) => Promise<void>;
};

/** Splits projections by where they live, in the order in which they are built. */
export function byStore(projections: readonly (PostgresProjection | LaneProjection)[]): {
  postgres: PostgresProjection[];
  lanes: LaneProjection[];
} {
  return {
    postgres: projections.filter((one) => one.store === 'postgres'),
    lanes: projections.filter((one) => one.store === 'redis'),
  };
}

/**
 * Takes the right to rebuild some projections, and to keep the models that they read from being rebuilt meanwhile.
 * Throws RebuildRunningError when another process has one of them.
 */
export async function claimRebuild(
  leases: Leases,
  projections: readonly (PostgresProjection | LaneProjection)[],
): Promise<void> {
  const { lanes } = byStore(projections);
  const names = new Set([...projections.map(({ name }) => name), ...lanes.flatMap(({ reads }) => reads)]);
  for (const name of [...names].sort()) if (!(await leases.takeRebuild(name))) throw new RebuildRunningError(name);
}

/**
 * Finds or makes the builds of a rebuild. One that an interrupted rebuild left is taken up where it stands, if it is of
 * this code's version and of this log, and its models are taken up too; else it is thrown away. The caller has claimed
 * the projections.
 */
export async function planRebuild(
  planning: Planning,
  projections: readonly (PostgresProjection | LaneProjection)[],
): Promise<RebuildPlan> {
  const { postgres, lanes } = byStore(projections);
  await refuseUnfinishedReads(planning.pool, projections, lanes);
  const models: Target<PostgresProjection>[] = [];
  for (const projection of postgres) models.push(await targetOf(planning, projection));
  const indexes: Target<LaneProjection>[] = [];
  for (const projection of lanes) {
    const anew = models.find((model) => !model.resumed && projection.reads.includes(model.projection.name));
    indexes.push(
      await targetOf(
        planning,
        projection,
        anew === undefined ? undefined : `${anew.projection.name}, which it reads, is built anew`,
      ),
    );
  }
  return { postgres: models, lanes: indexes };
}

async function targetOf<P extends PostgresProjection | LaneProjection>(
  planning: Planning,
  projection: P,
  obstacle?: string,
): Promise<Target<P>> {
  const { pool, storeId } = planning;
  const left = (await listBuilds(pool, projection.name)).find(({ state }) => state === 'building');
  const why = left === undefined ? undefined : (obstacle ?? whyUseless(left, { version: projection.version, storeId }));
  if (left !== undefined && why === undefined) {
    await letRunAgain(pool, left);
    return { projection, build: left, resumed: true };
  }
  // Nobody has ever read from it.
  if (left !== undefined) await removeData(pool, left, planning.removeKeys);
  const build = await createBuild(pool, { projection, storeId, state: 'building' });
  return {
    projection,
    build,
    resumed: false,
    ...(left !== undefined && why !== undefined && { insteadOf: { build: left, why } }),
  };
}

function whyUseless(left: Build, { version, storeId }: { version: number; storeId: string }): string | undefined {
  if (left.storeId !== storeId) return 'it was made from another log';
  return left.version === version
    ? undefined
    : `it is of version ${String(left.version)}, the code has ${String(version)}`;
}

async function letRunAgain(pool: Pool, build: Build): Promise<void> {
  await inTransaction(pool, (tx) => tx.query('update projections.build set stopped = null where id = $1', [build.id]));
}

// Lanes of a new build read the new builds of their models: one that nobody feeds would hold them up for ever.
async function refuseUnfinishedReads(
  pool: Pool,
  projections: readonly { name: string }[],
  lanes: readonly LaneProjection[],
): Promise<void> {
  const unfinished = (await listBuilds(pool)).filter(
    ({ state, projection }) => state === 'building' && !projections.some(({ name }) => name === projection),
  );
  for (const { name, reads } of lanes) {
    const missing = unfinished.find(({ projection }) => reads.includes(projection));
    if (missing !== undefined)
      throw new Error(
        `${name} reads ${missing.projection}, whose rebuild was interrupted: run "shutterlog projections rebuild ${missing.projection}" first, or name both`,
      );
  }
}
