import type { ReadableLog } from '../../infra/event-store/event-store.ts';
import type { Log } from '../../infra/process/log.ts';
import type { DataKeys } from '../../infra/vault/personal-data.ts';
import type { Pool } from '../../infra/postgres.ts';
import type { RedisClient } from '../../infra/redis/redis.ts';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import { listBuilds, quoted, type Build } from '../builds/build-store.ts';
import { resolveBuilds, type CodeVersions } from '../builds/builds.ts';
import { createLanes } from '../lanes/lane-engine.ts';
import { BUCKETS } from '../lane-keys.ts';
import { companionsOf } from '../lanes/lane-models.ts';
import { createLanes as createLaneRows, earliestCheckpoint } from '../lanes/lane-positions.ts';
import type { LaneContext, LaneProjection } from '../lane-projection.ts';
import type { Lanes } from '../lanes/lanes.ts';
import { BUILDS_CHANNEL } from '../builds/leases.ts';
import type { Builds } from '../projection.ts';
import type { Target } from './rebuild-plan.ts';

export type LaneRebuildDeps = {
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly redis: RedisClient;
  readonly store: ReadableLog;
  readonly keys: DataKeys;
  readonly log: Log;
  readonly versions: CodeVersions;
};

type Filling = { readonly signal: AbortSignal; readonly report: (keysDone: number) => void };

/**
 * Fills new builds on Redis from their definition over the PostgreSQL models, those that are new with them first. Their
 * lanes stand where the models stood before, so that lanes bring in whatever came while they were filled.
 */
export async function fillLanes(
  deps: LaneRebuildDeps,
  targets: readonly Target<LaneProjection>[],
  filling: Filling,
): Promise<void> {
  for (const { projection, build } of targets) {
    if (build.filled) continue;
    const builds = await companionsOf(deps.pool, deps.versions, build);
    await createLaneRows(
      deps.pool,
      build,
      await earliestCheckpoint(
        deps.pool,
        projection.reads.map((model) => builds.id(model)),
      ),
    );
    await projection.build(contextOf(deps, build, builds), {
      from: await liveContext(deps, build, builds),
      ...filling,
    });
    filling.signal.throwIfAborted();
    await deps.pool.query('update projections.build set filled = true where id = $1', [build.id]);
    await deps.pool.query(`notify ${BUILDS_CHANNEL}`);
  }
}

/** The models that side builds are defined over, and the time as of which they are. */
type FillingAside = {
  readonly models: ReadonlyMap<string, Build>;
  readonly at: Date;
  readonly signal: AbortSignal;
  readonly report: (progress: { step: 'filling'; done: number; total: number; estimated: boolean }) => void;
};

/**
 * Fills side builds on Redis from models that stand at one place, for the keys that the live builds hold; they stay for
 * good.
 */
export async function fillAside(
  deps: LaneRebuildDeps,
  targets: readonly Target<LaneProjection>[],
  { models, at, signal, report }: FillingAside,
): Promise<void> {
  const live = await resolveBuilds(deps.pool, deps.versions);
  const modelOf = (name: string) => {
    const build = models.get(name);
    if (build === undefined) throw new Error(`${name} was not built aside`);
    return build;
  };
  const builds: Builds = {
    schema: (name) => quoted(modelOf(name).location),
    prefix: (name) => modelOf(name).location,
    id: (name) => modelOf(name).id,
  };
  for (const { projection, build } of targets) {
    const context: LaneContext = { ...contextOf(deps, build, builds), now: () => at };
    await projection.build(context, {
      from: await liveContext(deps, build, live),
      signal,
      report: (done) => {
        report({ step: 'filling', done, total: done, estimated: true });
      },
    });
    // No reader renews their lifetime.
    for await (const keys of context.indexes.scan(`${build.location}:`))
      await Promise.all(keys.map((key) => deps.redis.persist(key)));
  }
}

/**
 * Lets lanes of this process feed the filled builds as far as no projector does; close it when readers are switched.
 * Where it rejects it leaves nothing running.
 */
export async function followLanes(
  { pool, databaseUrl, redis, store, keys, log, versions }: LaneRebuildDeps,
  targets: readonly Target<LaneProjection>[],
): Promise<Lanes> {
  const lanes = createLanes({
    pool,
    databaseUrl,
    redis,
    store,
    keys,
    log,
    versions,
    projections: targets.map(({ projection }) => projection),
  });
  try {
    await lanes.start();
  } catch (error) {
    // Some of the builds may be fed already.
    await lanes.close();
    throw error;
  }
  return lanes;
}

function contextOf({ pool, redis }: LaneRebuildDeps, { location }: Build, builds: Builds): LaneContext {
  return {
    read: { sql: pool, builds },
    indexes: createSortedIndexes(redis, { prefix: `${location}:`, buckets: BUCKETS }),
    prefix: location,
    now: () => new Date(),
  };
}

async function liveContext(
  deps: LaneRebuildDeps,
  { projection, storeId }: Build,
  builds: Builds,
): Promise<LaneContext | undefined> {
  const live = (await listBuilds(deps.pool, projection)).find((one) => one.state === 'live' && one.storeId === storeId);
  return live === undefined ? undefined : contextOf(deps, live, builds);
}
