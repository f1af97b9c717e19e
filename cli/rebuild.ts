import type { Command } from 'commander';
import { availableParallelism } from 'node:os';
import { shownPosition } from '../infra/event-store/position-text.ts';
import { openPool, sessionUrlOf } from '../infra/postgres.ts';
import { openVault } from '../infra/vault/vault.ts';
import { listBuilds } from '../projections/builds/build-store.ts';
import { allProjections, codeVersions, postgresProjections } from '../projections/catalog.ts';
import { replayThreads } from '../projections/rebuild/parallel-replay.ts';
import { rebuild, RebuildInterruptedError, RebuildStoppedError } from '../projections/rebuild/rebuild.ts';
import type { RebuildDeps, RebuildProgress } from '../projections/rebuild/rebuild-deps.ts';
import { RebuildDiffersError } from '../projections/rebuild/rebuild-check.ts';
import { RebuildRunningError, type RebuildPlan } from '../projections/rebuild/rebuild-plan.ts';
import { prepareProjectionTables } from '../projections/builds/schema.ts';
import { buildAside, placeInLog, type SideBuildOptions } from '../projections/rebuild/side-build.ts';
import { CliError, type CliContext, type ExitCode } from './context.ts';
import type { Run } from './context.ts';
import { remark, showProgress, type Progress } from './progress.ts';
import { chosenProjections, onPoisonOf, type AnyProjection } from './projection-names.ts';

export type RebuildChoice = {
  all?: boolean;
  outdated?: boolean;
  verify?: boolean;
  until?: string;
  onPoison?: string;
  json?: boolean;
};

/** `projections rebuild`: builds read models anew beside the ones in use and switches readers in one step. */
export function registerRebuild(group: Command, run: Run): void {
  group
    .command('rebuild')
    .description('build read models anew from the log, beside the ones in use, and switch readers to them')
    .argument('[names...]')
    .option('--all', 'all of them')
    .option('--outdated', 'those whose live build is of another version than the code, or missing')
    .option('--verify', 'compare with the live builds first, and do not switch where they differ')
    .option(
      '--until <position|time>',
      'build as of a place or time into side builds, for looking at with projections rows and entries; of a model in Redis the keys that are there now',
    )
    .option('--on-poison <what>', 'stop (the default) before an event that cannot be applied, or park it', 'stop')
    .option('--json', 'one JSON line a second')
    .action((names: string[], options: RebuildChoice) => run((context) => rebuildChosen(context, names, options)));
}

async function rebuildChosen(context: CliContext, names: readonly string[], options: RebuildChoice): Promise<ExitCode> {
  const onPoison = onPoisonOf(options.onPoison) ?? 'stop';
  const deps = await openDeps(context);
  const chosen =
    options.outdated === true ? await outdated(deps, names, options) : chosenProjections(names, options.all === true);
  if (chosen.length === 0) {
    console.log(options.json === true ? JSON.stringify({ rebuilt: [] }) : 'every live build is of the code’s version');
    return 0;
  }
  const steps = stepsOf(options.json === true);
  const how = { onPoison, signal: context.signal, report: steps.report };
  try {
    if (options.until !== undefined)
      return await aside(deps, chosen, { ...how, until: options.until, json: options.json === true });
    const done = await rebuild(deps, {
      ...how,
      projections: chosen,
      planned: (plan) => {
        announce(plan, options.json === true);
      },
      verify: options.verify === true,
    });
    const summary = {
      rebuilt: chosen.map(({ name }) => name),
      builds: done.builds.map(({ id }) => id),
      events: done.events,
      seconds: round(done.seconds),
      events_per_second: Math.round(done.events / Math.max(done.seconds, 1e-3)),
    };
    console.log(
      options.json === true
        ? JSON.stringify(summary)
        : `rebuilt ${summary.rebuilt.join(', ')}: ${String(summary.events)} events in ${String(summary.seconds)} s; readers have been switched, projections rollback goes back`,
    );
    return 0;
  } catch (error) {
    if (error instanceof RebuildDiffersError) return reportDifferences(error, options.json === true);
    throw explained(error);
  } finally {
    steps.end();
  }
}

type Aside = Pick<SideBuildOptions, 'onPoison' | 'signal' | 'report'> & {
  readonly until: string;
  readonly json: boolean;
};

async function aside(
  deps: RebuildDeps,
  chosen: readonly AnyProjection[],
  { until, json, ...how }: Aside,
): Promise<ExitCode> {
  const place = await placeInLog(deps.store, until);
  if (place === undefined)
    throw new CliError('--until takes a position, as events tail shows it, or a time such as 2026-01-31T12:00:00Z', 2);
  const builds = await buildAside(deps, { ...how, projections: chosen, until: place });
  if (json) {
    console.log(
      JSON.stringify(
        builds.map(({ id, projection, store, location, untilPosition }) => ({
          build: id,
          projection,
          store,
          location,
          until: untilPosition,
        })),
      ),
    );
    return 0;
  }
  for (const { id, projection, store } of builds) {
    const look =
      store === 'postgres'
        ? `projections rows <table> --build ${String(id)}`
        : `projections entries --build ${String(id)} (keys that the live build holds now, as they were then)`;
    console.log(
      `${projection}: build ${String(id)} stands at ${shownPosition(place.position)}; look with ${look}, remove with projections drop ${String(id)}`,
    );
  }
  return 0;
}

function reportDifferences({ message, lines, more }: RebuildDiffersError, json: boolean): ExitCode {
  if (json) console.log(JSON.stringify({ error: message, differences: lines, more_differences: more }));
  else for (const line of [...lines, ...(more > 0 ? [`… and ${String(more)} more`] : []), message]) console.error(line);
  return 3;
}

/** What replaying the log takes: a pool of its own size, the vault's keys, and Redis when it is asked for. */
export async function openDeps(context: CliContext): Promise<RebuildDeps> {
  const { MASTER_KEY, EVENTSTORE_URL } = context.config();
  const databaseUrl = sessionUrlOf(context.config());
  const pool = context.own(
    openPool(databaseUrl, {
      size: postgresProjections.length + 6,
      name: 'shutterlog-rebuild',
      statementTimeoutMs: 600_000,
      synchronousCommit: false,
    }),
    (opened) => opened.end(),
  );
  await prepareProjectionTables(pool);
  const { keys } = await openVault({ pool, masterKey: MASTER_KEY });
  const parallel = {
    threads: replayThreads(availableParallelism()),
    eventStoreUrl: EVENTSTORE_URL,
    databaseUrl,
    masterKey: MASTER_KEY,
  };
  return {
    pool,
    databaseUrl,
    store: await context.store(),
    keys,
    log: context.log,
    versions: codeVersions,
    redis: () => context.redis(),
    parallel,
  };
}

// A build of another log is not outdated but lost, or the log is the wrong one: that is for the operator to say.
async function outdated(
  { pool, store }: RebuildDeps,
  names: readonly string[],
  { all }: RebuildChoice,
): Promise<AnyProjection[]> {
  if (names.length > 0 || all === true)
    throw new CliError('--outdated finds its projections by itself: give no names and no --all', 2);
  const live = new Map(
    (await listBuilds(pool)).filter(({ state }) => state === 'live').map((build) => [build.projection, build]),
  );
  const foreign = [...live.values()]
    .filter(({ storeId }) => storeId !== store.storeId)
    .map(({ projection }) => projection);
  if (foreign.length > 0)
    console.error(
      `${foreign.join(', ')}: built from another log, and left alone; shutterlog projections rebuild <name> builds them from this one`,
    );
  return allProjections.filter(({ name, version }) => !foreign.includes(name) && live.get(name)?.version !== version);
}

function announce({ postgres, lanes }: RebuildPlan, json: boolean): void {
  for (const { build, resumed, insteadOf } of [...postgres, ...lanes]) {
    const { projection, id } = build;
    if (resumed)
      remark(
        `${projection}: going on with build ${String(id)}, which an interrupted rebuild left`,
        { projection, build: id, begins: 'where it was interrupted' },
        { json },
      );
    if (insteadOf === undefined) continue;
    const { build: left, why } = insteadOf;
    remark(
      `${projection}: beginning again with build ${String(id)}: build ${String(left.id)}, which an interrupted rebuild left, is of no use (${why})`,
      { projection, build: id, begins: 'again', instead_of: left.id, why },
      { json },
    );
  }
}

const UNITS = { replaying: 'events', filling: 'keys', comparing: 'keys', switching: 'models' } as const;

function stepsOf(json: boolean): { report(progress: RebuildProgress): void; end(): void } {
  let current: { step: string; shown: Progress } | undefined;
  return {
    report: ({ step, done, total }) => {
      if (current?.step !== step) {
        current?.shown.end();
        current = { step, shown: showProgress(step, { unit: UNITS[step], json }) };
      }
      current.shown.at(done, total);
    },
    end: () => {
      current?.shown.end();
    },
  };
}

function explained(error: unknown): unknown {
  if (error instanceof RebuildStoppedError)
    return new CliError(
      `${error.message}\nreaders keep what they have; mend the cause and run the same command, which goes on there, or park the event with --on-poison park`,
    );
  if (error instanceof RebuildRunningError || error instanceof RebuildInterruptedError)
    return new CliError(error.message);
  return error;
}

function round(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}
