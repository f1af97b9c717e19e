import type { Position } from '../../domain/position.ts';
import { createBuild, quoted } from '../builds/build-store.ts';
import { liveBuilds, liveHasReached, positionsOfLive, schemaOf } from './live-builds.ts';
import { compareTable, inSnapshot, sampleRanges, type RowDifference, type Side } from './compare-tables.ts';
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
    await bringTo(deps, targets, await positionsOfLive(deps.pool, targets, live), options);
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

type Sides = { readonly live: Side; readonly expected: Side };

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
    await bringTo(deps, targets, await positionsOfLive(snapshot, targets, live), options);
    const findings = new Findings(counts, options.listed ?? LISTED_AT_MOST);
    for (const { projection, build } of targets) {
      const sides = {
        live: { sql: snapshot, schema: schemaOf(live, projection.name) },
        expected: { sql: deps.pool, schema: quoted(build.location) },
      };
      await compareTables(projection, sides, findings, options);
    }
    return findings.compared();
  });
}

async function compareTables(
  projection: PostgresProjection,
  { live, expected }: Sides,
  findings: Findings,
  { sample, signal, report }: VerifyOptions,
): Promise<void> {
  for (const table of projection.tables) {
    signal.throwIfAborted();
    const ranges = sample === undefined ? undefined : await sampleRanges(expected, table, sample);
    const compared = (more: number) => {
      findings.keys += more;
      report({ step: 'comparing', done: findings.keys, total: findings.keys });
    };
    for await (const difference of compareTable(live, expected, table, { ranges, compared }))
      findings.take({ projection: projection.name, difference });
  }
}

/** Lists the first findings that count, and counts the others. */
class Findings {
  keys = 0;
  readonly #listed: Finding[] = [];
  #more = 0;
  readonly #counts: (finding: Finding) => boolean;
  readonly #most: number;

  constructor(counts: (finding: Finding) => boolean, most: number) {
    this.#counts = counts;
    this.#most = most;
  }

  take(finding: Finding): void {
    if (!this.#counts(finding)) return;
    if (this.#listed.length < this.#most) this.#listed.push(finding);
    else this.#more += 1;
  }

  compared(): Compared {
    return { keys: this.keys, findings: this.#listed, more: this.#more };
  }
}

/** Feeds builds up to exactly the given positions. */
async function bringTo(
  deps: VerifyDeps,
  targets: readonly Target<PostgresProjection>[],
  positions: ReadonlyMap<number, Position>,
  { report, signal }: VerifyOptions,
): Promise<void> {
  const replay = new Replay(deps, 'stop');
  try {
    await replay.start(
      targets.map((target) => {
        const until = positions.get(target.build.id);
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
