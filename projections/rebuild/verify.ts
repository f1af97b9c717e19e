import { setTimeout as delay } from 'node:timers/promises';
import type { Position } from '../../domain/position.ts';
import type { Pool } from '../../infra/postgres.ts';
import { createBuild, listBuilds, quoted, type Build } from '../builds/build-store.ts';
import { readCheckpoints } from '../builds/checkpoints.ts';
import { compareTable, inSnapshot, sampleRanges, type RowDifference } from './compare-tables.ts';
import { Leases } from '../builds/leases.ts';
import type { PostgresProjection } from '../projection.ts';
import type { Target } from './rebuild-plan.ts';
import { Replay, type ReplayDeps } from './replay.ts';
import { removeData } from '../builds/clean-up.ts';

export type VerifyDeps = ReplayDeps & { readonly databaseUrl: string };

export type VerifyProgress = {
  readonly step: 'replaying' | 'comparing';
  readonly done: number;
  readonly total: number;
};

export type VerifyOptions = {
  /** Compare about this many keys of each table instead of all. */
  readonly sample?: number | undefined;
  /**
   * Differences that are listed; the others are counted, so that a model that is all wrong does not fill the memory.
   */
  readonly listed?: number;
  readonly signal: AbortSignal;
  readonly report: (progress: VerifyProgress) => void;
};

/** Differences that are listed with both values unless another number is asked for. */
export const LISTED_AT_MOST = 1_000;

/** What a comparison found about one model. */
export type Finding = { readonly projection: string; readonly difference: RowDifference };

/** `more` counts the differences beyond those that are listed. */
export type Compared = { readonly keys: number; readonly findings: readonly Finding[]; readonly more: number };
export type Verified = Compared & { readonly seconds: number };

const REACH_LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 50;

/**
 * Recomputes models in PostgreSQL from the log, beside the live ones, and compares each with a snapshot of its live
 * build taken while traffic runs, at exactly the place where that stands. What differs is computed on to a later place
 * and compared again, and only what differs there too is reported. Throws when a live build is missing, of another
 * version or of another log, or when an event cannot be applied.
 */
export async function verifyPostgres(
  deps: VerifyDeps,
  projections: readonly PostgresProjection[],
  options: VerifyOptions,
): Promise<Verified> {
  const started = performance.now();
  if (projections.length === 0) return { keys: 0, findings: [], more: 0, seconds: 0 };
  const live = await liveBuilds(deps, projections);
  const leases = await Leases.open(deps.databaseUrl);
  const targets: Target<PostgresProjection>[] = [];
  try {
    for (const projection of projections) {
      const build = await createBuild(deps.pool, {
        projection,
        storeId: deps.store.storeId,
        state: 'side',
        temporary: true,
      });
      targets.push({ projection, build, resumed: false });
      await leases.take(build.id);
    }
    const standing = await readCheckpoints(
      deps.pool,
      live.map(({ id }) => id),
    );
    await bringTo(
      deps,
      targets,
      placesOf(targets, live, (id) => standing.get(id)?.position),
      options,
    );
    const compared = await compareWithLive(deps, targets, options);
    return { ...compared, seconds: (performance.now() - started) / 1_000 };
  } finally {
    for (const { build } of targets) await removeData(deps.pool, build, async () => undefined);
    await leases.close();
  }
}

/**
 * Compares builds that nobody feeds at the moment with the live ones, at the places where those stand. Moves the builds
 * on to there; a difference counts when it is there at a second, later place as well.
 */
export async function compareWithLive(
  deps: VerifyDeps,
  targets: readonly Target<PostgresProjection>[],
  options: VerifyOptions,
): Promise<Compared> {
  const first = await compareOnce(deps, targets, options, () => true);
  if (first.findings.length === 0) return first;
  // Where the first look could not list all, the second one stands for itself.
  if (first.more > 0) return compareOnce(deps, targets, options, () => true);
  const known = new Set(first.findings.map(identityOf));
  const second = await compareOnce(deps, targets, options, (finding) => known.has(identityOf(finding)));
  return { keys: first.keys, findings: second.findings, more: second.more };
}

function identityOf({ projection, difference: { table, key } }: Finding): string {
  return JSON.stringify([projection, table, key]);
}

async function compareOnce(
  deps: VerifyDeps,
  targets: readonly Target<PostgresProjection>[],
  options: VerifyOptions,
  counts: (finding: Finding) => boolean,
): Promise<Compared> {
  const live = await liveBuilds(
    deps,
    targets.map(({ projection }) => projection),
  );
  await liveHasReached(deps.pool, live, targets, options.signal);
  return inSnapshot(deps.pool, async (snapshot) => {
    const standing = await readCheckpoints(
      snapshot,
      live.map(({ id }) => id),
    );
    await bringTo(
      deps,
      targets,
      placesOf(targets, live, (id) => standing.get(id)?.position),
      options,
    );
    const found: { keys: number; findings: Finding[]; more: number } = { keys: 0, findings: [], more: 0 };
    const take = (finding: Finding) => {
      if (!counts(finding)) return;
      if (found.findings.length < (options.listed ?? LISTED_AT_MOST)) found.findings.push(finding);
      else found.more += 1;
    };
    for (const { projection, build } of targets) {
      const sides = {
        live: { sql: snapshot, schema: schemaOf(live, projection.name) },
        expected: { sql: deps.pool, schema: quoted(build.location) },
      };
      for (const table of projection.tables) {
        options.signal.throwIfAborted();
        const ranges =
          options.sample === undefined ? undefined : await sampleRanges(sides.expected, table, options.sample);
        const compared = (more: number) => {
          found.keys += more;
          options.report({ step: 'comparing', done: found.keys, total: found.keys });
        };
        for await (const difference of compareTable(sides.live, sides.expected, table, { ranges, compared }))
          take({ projection: projection.name, difference });
      }
    }
    return found;
  });
}

function schemaOf(live: readonly Build[], projection: string): string {
  return quoted(live.find((build) => build.projection === projection)?.location ?? '');
}

async function liveBuilds({ pool, store }: VerifyDeps, projections: readonly PostgresProjection[]): Promise<Build[]> {
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

function placesOf(
  targets: readonly Target<PostgresProjection>[],
  live: readonly Build[],
  positionOf: (buildId: number) => Position | undefined,
): Map<number, Position> {
  return new Map(
    targets.map(({ projection, build }) => {
      const position = positionOf(live.find((one) => one.projection === projection.name)?.id ?? -1);
      if (position === undefined) throw new Error(`the live build of ${projection.name} went away`);
      return [build.id, position];
    }),
  );
}

/** Feeds builds up to exactly the given places. */
async function bringTo(
  deps: VerifyDeps,
  targets: readonly Target<PostgresProjection>[],
  places: ReadonlyMap<number, Position>,
  { report, signal }: VerifyOptions,
): Promise<void> {
  const replay = new Replay(deps, 'stop');
  try {
    await replay.start(
      targets.map((target) => {
        const until = places.get(target.build.id);
        return until === undefined ? target : { ...target, build: { ...target.build, untilPosition: until } };
      }),
      { report, signal },
    );
    await replay.catchUp(
      ({ done, total }) => {
        report({ step: 'replaying', done, total });
      },
      () => {
        signal.throwIfAborted();
        const [stop] = replay.stops;
        if (stop !== undefined)
          throw new Error(
            `${stop.projection} cannot be recomputed: ${stop.at.type} ${stop.at.eventId} of ${stop.at.streamId}: ${stop.at.error}`,
          );
      },
    );
  } finally {
    await replay.close();
  }
}

// A build may only be moved forward: what it is compared with must not lie behind it.
async function liveHasReached(
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
