import { setTimeout as delay } from 'node:timers/promises';
import { analyzeBuilds } from './analyze-builds.ts';
import { listBuilds, type Build, type StoppedAt } from '../builds/build-store.ts';
import { flip, HOLD_MS } from '../builds/switch-over.ts';
import type { LaneProjection } from '../lane-projection.ts';
import { Leases } from '../builds/leases.ts';
import type { OnPoison } from '../builds/settings.ts';
import type { PostgresProjection } from '../projection.ts';
import { checkPlan } from './rebuild-check.ts';
import { fillLanes, followLanes } from './rebuild-lanes.ts';
import { claimRebuild, planRebuild, RebuildRunningError, type RebuildPlan } from './rebuild-plan.ts';
import { removeKeys } from '../builds/remove-keys.ts';
import type { RebuildDeps, RebuildProgress } from './rebuild-deps.ts';
import { Replay } from './replay.ts';

export type RebuildOptions = {
  readonly projections: readonly (PostgresProjection | LaneProjection)[];
  readonly onPoison: OnPoison;
  readonly signal: AbortSignal;
  readonly report: (progress: RebuildProgress) => void;
  /** Called with the plan before the work starts. */
  readonly planned?: (plan: RebuildPlan) => void;
  /** Compare the new builds with the live ones before readers are switched, and do not switch where they differ. */
  readonly verify?: boolean;
  /** Runs when the new builds have caught up, before readers are switched; throws to leave them where they are. */
  readonly check?: (plan: RebuildPlan) => Promise<void>;
};

export type Rebuilt = { readonly builds: readonly Build[]; readonly events: number; readonly seconds: number };

/** A new build met an event that it cannot apply. It stays as it is; the next rebuild goes on there. */
export class RebuildStoppedError extends Error {
  override readonly name = 'RebuildStoppedError';
  readonly at: StoppedAt;
  constructor(projection: string, at: StoppedAt) {
    super(`${projection} cannot apply ${at.type} ${at.eventId} of ${at.streamId} at ${at.position}: ${at.error}`);
    this.at = at;
  }
}

/** The rebuild was asked to stop; what it has done stays, and the next rebuild goes on there. */
export class RebuildInterruptedError extends Error {
  override readonly name = 'RebuildInterruptedError';
}

const LOOK_EVERY_MS = 50;
const HOLD_EVERY_MS = 2_500;

/**
 * Builds projections anew beside the ones that readers use, lets them catch up with the log while it grows, and
 * switches all of them in one row. Killed anywhere, the next rebuild goes on where this one stood. Throws
 * RebuildRunningError, RebuildStoppedError, RebuildDiffersError or RebuildInterruptedError; readers then keep what they
 * have.
 */
export async function rebuild(deps: RebuildDeps, options: RebuildOptions): Promise<Rebuilt> {
  const started = performance.now();
  let lost = false;
  const leases = await Leases.open(deps.databaseUrl, {
    onLost: () => {
      lost = true;
    },
  });
  const replay = new Replay(deps, options.onPoison);
  const mayGoOn = () => {
    if (options.signal.aborted)
      throw new RebuildInterruptedError('interrupted: the same command goes on where it stopped');
    if (lost)
      throw new RebuildInterruptedError(
        'PostgreSQL went away, and with it the right to rebuild: the same command goes on where it stopped',
      );
    refuseStopped(replay.stops);
  };
  try {
    await claimRebuild(leases, options.projections);
    const removeData = async (prefix: string) => {
      await removeKeys(await deps.redis(), prefix);
    };
    const plan = await planRebuild(
      { pool: deps.pool, storeId: deps.store.storeId, leases, removeKeys: removeData },
      options.projections,
    );
    options.planned?.(plan);
    for (const { build } of plan.postgres)
      if (!(await leases.take(build.id))) throw new RebuildRunningError(build.projection);
    await replay.start(plan.postgres, options);
    await replay.catchUp(options.report, mayGoOn);
    await analyzeBuilds(
      deps.pool,
      plan.postgres.map(({ build }) => build),
    );
    const lanes = await buildLanes(deps, plan, options);
    try {
      if (options.verify === true) await checkPlan(deps, plan, { ...options, replay, mayGoOn });
      await options.check?.(plan);
      await switchReaders(deps, plan, { ...options, mayGoOn });
    } finally {
      await lanes?.close();
    }
    return {
      builds: [...plan.postgres, ...plan.lanes].map(({ build }) => build),
      events: replay.events,
      seconds: (performance.now() - started) / 1_000,
    };
  } finally {
    await replay.close();
    // The leases end with the connection, and projectors that wait for them take over at once.
    await leases.close();
  }
}

/** Throws RebuildStoppedError for the first of the events that stopped builds. */
export function refuseStopped(stops: readonly { projection: string; at: StoppedAt }[]): void {
  const [first] = stops;
  if (first !== undefined) throw new RebuildStoppedError(first.projection, first.at);
}

async function buildLanes(
  deps: RebuildDeps,
  plan: RebuildPlan,
  { report, signal }: RebuildOptions,
): Promise<{ close(): Promise<void> } | undefined> {
  if (plan.lanes.length === 0) return undefined;
  const redis = await deps.redis();
  await fillLanes({ ...deps, redis }, plan.lanes, {
    signal,
    report: (keys) => {
      report({ step: 'filling', done: keys, total: keys, estimated: true });
    },
  });
  return followLanes({ ...deps, redis }, plan.lanes);
}

type Switching = Pick<RebuildOptions, 'report'> & { readonly mayGoOn: () => void };

async function switchReaders({ pool }: RebuildDeps, plan: RebuildPlan, { report, mayGoOn }: Switching): Promise<void> {
  const ids = [...plan.postgres, ...plan.lanes].map(({ build }) => build.id);
  for (let holdAt = 0; ;) {
    mayGoOn();
    refuseStopped(
      (await listBuilds(pool))
        .filter(({ id }) => ids.includes(id))
        .flatMap(({ projection, stopped }) => (stopped === undefined ? [] : [{ projection, at: stopped }])),
    );
    const holds = performance.now() >= holdAt;
    const outcome = await flip(pool, ids, { holdMs: holds ? HOLD_MS : 0 });
    if (outcome === 'flipped') return;
    // Live builds that were held in vain get time to go on: new ones that are far behind shall not cost readers
    // freshness.
    if (holds) holdAt = performance.now() + HOLD_EVERY_MS;
    report({ step: 'switching', done: ids.length - outcome.behind.length, total: ids.length, estimated: false });
    await delay(LOOK_EVERY_MS);
  }
}
