import { listBuilds } from '../builds/build-store.ts';
import { companionsOf } from '../lanes/lane-models.ts';
import type { RebuildDeps, RebuildProgress } from './rebuild-deps.ts';
import type { RebuildPlan } from './rebuild-plan.ts';
import type { Replay } from './replay.ts';
import { verifyLanes } from './verify-lanes.ts';
import { compareWithLive } from './verify.ts';

/** A new build is not equal to the live one: readers were not switched. */
export class RebuildDiffersError extends Error {
  override readonly name = 'RebuildDiffersError';
  /** One line for each key that differs, and how many more do. */
  readonly lines: readonly string[];
  readonly more: number;
  constructor(lines: readonly string[], more: number) {
    super(
      `${String(lines.length + more)} keys of the new builds differ from the live ones; readers keep what they have, and the new builds stay for the next rebuild`,
    );
    this.lines = lines;
    this.more = more;
  }
}

type Checking = {
  readonly replay: Replay;
  readonly signal: AbortSignal;
  readonly report: (progress: RebuildProgress) => void;
  readonly mayGoOn: () => void;
};

/**
 * Compares new builds with the live ones, at places where keys that are being written do not matter. Throws
 * RebuildDiffersError. A projection that has no comparable live build is not compared.
 */
export async function checkPlan(deps: RebuildDeps, plan: RebuildPlan, checking: Checking): Promise<void> {
  const { replay, report, signal, mayGoOn } = checking;
  const live = (await listBuilds(deps.pool)).filter(
    ({ state, storeId }) => state === 'live' && storeId === deps.store.storeId,
  );
  const comparable = plan.postgres.filter(({ projection }) =>
    live.some((build) => build.projection === projection.name && build.version === projection.version),
  );
  const lines: string[] = [];
  let more = 0;
  if (comparable.length > 0) {
    // What is compared must stand still: the new builds are moved to exactly where each live one stands.
    await replay.pause();
    const { findings, more: others } = await compareWithLive(deps, comparable, {
      signal,
      report: ({ step, done, total }) => {
        report({ step, done, total, estimated: false });
      },
    });
    lines.push(
      ...findings.map(
        ({ projection, difference: { table, key, live: now, expected } }) =>
          `${projection}.${table} ${JSON.stringify(key)}: live ${JSON.stringify(now)}, rebuilt ${JSON.stringify(expected)}`,
      ),
    );
    more += others;
    await replay.start(plan.postgres, checking);
    await replay.catchUp(report, mayGoOn);
  }
  for (const found of await checkLanes(deps, plan, checking)) {
    lines.push(...found.lines);
    more += found.more;
  }
  if (lines.length > 0) throw new RebuildDiffersError(lines, more);
}

async function checkLanes(
  deps: RebuildDeps,
  plan: RebuildPlan,
  { signal, report }: Checking,
): Promise<{ lines: string[]; more: number }[]> {
  const found: { lines: string[]; more: number }[] = [];
  for (const { projection, build } of plan.lanes) {
    const models = await companionsOf(deps.pool, deps.versions, build);
    const shown = {
      signal,
      report: (keys: number) => {
        report({ step: 'comparing', done: keys, total: keys, estimated: true });
      },
    };
    const { differences, more } = await verifyLanes({ ...deps, redis: await deps.redis() }, projection, shown, {
      build,
      models,
    });
    found.push({
      more,
      lines: differences.map(
        ({ key, live, expected }) =>
          `${projection.name} ${key}: rebuilt ${JSON.stringify(live)}, by definition ${JSON.stringify(expected)}`,
      ),
    });
  }
  return found;
}
