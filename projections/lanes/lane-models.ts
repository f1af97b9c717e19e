import { setTimeout as delay } from 'node:timers/promises';
import type { Position } from '../../domain/position.ts';
import type { Pool } from '../../infra/postgres.ts';
import { listBuilds, quoted, type Build } from '../builds/build-store.ts';
import { createBuildResolver, resolveBuilds, type CodeVersions } from '../builds/builds.ts';
import { isOutage } from '../failures.ts';
import type { Freshness } from '../builds/consistency.ts';
import type { Builds } from '../projection.ts';

/** Far more than a resolver of builds remembers. */
const SETTLED_AFTER_MS = 5_000;

/**
 * Tells which PostgreSQL builds a build on Redis reads at this moment, whatever it was when it was taken up. What it
 * tells of one build never goes back: models that were seen to have passed a place are not followed by some that have
 * not.
 */
export function createLaneModels(pool: Pool, versions: CodeVersions): (build: Build) => Promise<Builds> {
  const live = createBuildResolver(pool, versions);
  const switchedAt = new Map<number, number>();
  return async (build) => {
    const seenSwitched = switchedAt.get(build.id);
    if (
      build.state !== 'building' ||
      (seenSwitched !== undefined && performance.now() - seenSwitched > SETTLED_AFTER_MS)
    )
      return live.resolve();
    const builds = await listBuilds(pool);
    if (builds.some(({ id, state }) => id === build.id && state === 'building'))
      return withCompanions(builds, build, await live.resolve());
    if (seenSwitched === undefined) switchedAt.set(build.id, performance.now());
    // What the resolver remembers may be from before the switch.
    return resolveBuilds(pool, versions);
  };
}

/** Which models, of which log, and which builds of them are to be read at this moment. */
export type ModelsWanted = {
  readonly freshness: Freshness;
  readonly storeId: string;
  readonly models: readonly string[];
  readonly resolve: () => Promise<Builds>;
  readonly signal: AbortSignal;
};

const MODELS_LIMIT_MS = 2_000;
const PAUSE_MS = 20;

/**
 * The builds to read, once these very builds have passed a position: readers may be switched while one waits. A server
 * that is away is waited for, and so are models of another log: nothing may be read off those, and a rebuild from this
 * log ends the wait. Rejects with an AbortError on `signal`.
 */
export async function modelsAt(
  { freshness, storeId, models, resolve, signal }: ModelsWanted,
  position: Position,
): Promise<Builds> {
  for (;;) {
    signal.throwIfAborted();
    try {
      const builds = await resolve();
      if (
        (await freshness.waitUntilPassed(builds, { storeId, position, owners: [] }, models, MODELS_LIMIT_MS)) ===
        'passed'
      )
        return builds;
    } catch (error) {
      if (!isOutage(error)) throw error;
      freshness.forget();
    }
    await delay(PAUSE_MS);
  }
}

/**
 * Where the models are once they have passed `first`: a place that all of them have passed, as far as it is known
 * without asking again, else `last` once they have passed that. Rejects as `modelsAt` does.
 */
export async function placeOfModels(wanted: ModelsWanted, first: Position, last: Position): Promise<Position> {
  const { freshness, storeId, models } = wanted;
  const heard = freshness.heard(await modelsAt(wanted, first), storeId, models);
  if (heard !== undefined && heard >= first) return heard;
  await modelsAt(wanted, last);
  return last;
}

/** The models that a new build is filled from and compared with: those that are new with it, else the live ones. */
export async function companionsOf(pool: Pool, versions: CodeVersions, build: Build): Promise<Builds> {
  return withCompanions(await listBuilds(pool), build, await resolveBuilds(pool, versions));
}

// Models that are built by a later rebuild are none of its business: they stand at the start of the log.
function withCompanions(builds: readonly Build[], { id: before }: Build, live: Builds): Builds {
  const companions = new Map(
    builds
      .filter(({ id, state }) => state === 'building' && id < before)
      .map((build) => [build.projection, build] satisfies [string, Build]),
  );
  return {
    schema: (name) => {
      const build = companions.get(name);
      return build === undefined ? live.schema(name) : quoted(build.location);
    },
    prefix: (name) => companions.get(name)?.location ?? live.prefix(name),
    id: (name) => companions.get(name)?.id ?? live.id(name),
  };
}
