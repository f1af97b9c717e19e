import type { Command } from 'commander';
import { setTimeout as delay } from 'node:timers/promises';
import { shownPosition } from '../infra/event-store/position-text.ts';
import type { Pool } from '../infra/postgres.ts';
import { listBuilds, setStopped } from '../projections/builds/build-store.ts';
import { allProjections } from '../projections/catalog.ts';
import { rollBack } from '../projections/builds/switch-over.ts';
import { BUILDS_CHANNEL } from '../projections/builds/leases.ts';
import { prepareProjectionTables } from '../projections/builds/schema.ts';
import { writeSetting } from '../projections/builds/settings.ts';
import { presentStatus } from '../projections/status/status-json.ts';
import { projectionStatus, type BuildStatus, type ProjectionStatus } from '../projections/status/status.ts';
import { CliError, type CliContext, type ExitCode } from './context.ts';
import type { Run } from './context.ts';
import { chosenProjections, onPoisonOf, type AnyProjection } from './projection-names.ts';
import { registerBuilds } from './projection-builds.ts';
import { registerRebuild } from './rebuild.ts';
import { registerVerify } from './verify.ts';

type Choice = { all?: boolean; json?: boolean; onPoison?: string };

/** `projections …`: how read models stand, their rebuilding, verifying, pausing and rolling back. */
export function registerProjections(program: Command, run: Run): void {
  const group = program.command('projections').description('look after the read models');
  group
    .command('list')
    .description('every read model, what it reads and from what it is made')
    .option('--json', 'one JSON array')
    .action((options: Choice) => {
      list(options.json === true);
    });
  group
    .command('status')
    .description('how far each read model has come')
    .argument('[names...]')
    .option('--json', 'one JSON array')
    .action((names: string[], options: Choice) =>
      run((context) => status(context, chosenProjections(names, names.length === 0), options.json === true)),
    );
  registerRebuild(group, run);
  registerVerify(group, run);
  group
    .command('pause')
    .description('let projectors leave a read model where it is')
    .argument('[names...]')
    .option('--all', 'all of them')
    .action((names: string[], options: Choice) =>
      run((context) => setPaused(context, chosenProjections(names, options.all === true), { paused: true })),
    );
  group
    .command('resume')
    .description('let projectors go on, also at an event that stopped them')
    .argument('[names...]')
    .option('--all', 'all of them')
    .option(
      '--on-poison <what>',
      'from now on: stop before an event that cannot be applied, or park it among the dead letters',
    )
    .action((names: string[], options: Choice) =>
      run((context) =>
        setPaused(context, chosenProjections(names, options.all === true), {
          paused: false,
          onPoison: onPoisonOf(options.onPoison),
        }),
      ),
    );
  group
    .command('rollback')
    .description('switch readers back to the builds that the last rebuild replaced')
    .argument('[names...]')
    .option('--all', 'all of them')
    .action((names: string[], options: Choice) =>
      run((context) => rollback(context, chosenProjections(names, options.all === true))),
    );
  registerBuilds(group, run);
}

function list(json: boolean): void {
  const rows = allProjections.map((projection) => ({
    name: projection.name,
    store: projection.store,
    version: projection.version,
    reads: projection.store === 'redis' ? [...projection.reads] : [],
    events: [...projection.handles],
  }));
  if (json) console.log(JSON.stringify(rows));
  else
    for (const row of rows)
      console.log(
        `${row.name.padEnd(16)} ${row.store.padEnd(9)} version ${String(row.version)}  ${row.reads.length > 0 ? `reads ${row.reads.join(', ')}` : `${String(row.events.length)} event types`}`,
      );
}

async function status(context: CliContext, chosen: readonly AnyProjection[], json: boolean): Promise<ExitCode> {
  await prepareProjectionTables(context.pool());
  const names = new Set(chosen.map(({ name }) => name));
  const rows = (
    await projectionStatus({
      pool: context.pool(),
      store: await context.store(),
      catalog: allProjections,
      now: () => new Date(),
    })
  ).filter(({ entry }) => names.has(entry.name));
  if (json) console.log(JSON.stringify(rows.map(presentStatus)));
  else print(rows);
  return 0;
}

function print(rows: readonly ProjectionStatus[]): void {
  console.log(
    columns(['projection', 'store', 'ver', 'build', 'state', 'lag events', 'lag s', 'events/s', 'checkpoint']),
  );
  for (const row of rows) {
    console.log(columns([row.entry.name, row.entry.store, ...liveColumns(row)]));
    for (const line of remarksOn(row)) console.log(`  ${line}`);
  }
  // One log has one head.
  for (const { head } of rows.slice(0, 1))
    console.log(columns(['head of the log', '', '', '', '', '', '', '', shownPosition(head)]));
}

const WIDTHS = [16, 9, 3, 6, 10, 11, 9, 9, 12];

function columns(values: readonly string[]): string {
  return values
    .map((value, i) => value.padEnd(WIDTHS[i] ?? 0))
    .join(' ')
    .trimEnd();
}

function liveColumns({ live, state }: ProjectionStatus): string[] {
  if (live === undefined) return ['-', '-', state, '-', '-', '-', '-'];
  return [
    String(live.build.version),
    String(live.build.id),
    state,
    lagOf(live),
    live.lag.seconds.toFixed(1),
    String(live.perSecond),
    shownPosition(live.checkpoint),
  ];
}

function lagOf({ lag }: BuildStatus): string {
  return `${lag.estimated ? '~' : ''}${String(lag.events)}`;
}

function remarksOn({ entry, state, stopped, deadLetters, others }: ProjectionStatus): string[] {
  return [
    ...(stopped === undefined
      ? []
      : [
          `stopped at ${stopped.type} ${stopped.eventId} of ${stopped.streamId}, position ${shownPosition(stopped.position)}: ${stopped.error}`,
          `mend the cause and run: shutterlog projections resume ${entry.name}`,
        ]),
    ...(state === 'refused' ? [`built from another log; run: shutterlog projections rebuild ${entry.name}`] : []),
    ...(state === 'outdated'
      ? [`the code has version ${String(entry.version)}; run: shutterlog projections rebuild --outdated`]
      : []),
    ...(deadLetters > 0 ? [`${String(deadLetters)} dead letters`] : []),
    ...others.map(
      (other) =>
        `build ${String(other.build.id)} ${other.build.state}, version ${String(other.build.version)}, ${lagOf(other)} events behind, ${String(other.perSecond)} events/s, at ${shownPosition(other.checkpoint)}`,
    ),
  ];
}

async function setPaused(
  context: CliContext,
  chosen: readonly AnyProjection[],
  setting: { paused: boolean; onPoison?: 'stop' | 'park' | undefined },
): Promise<ExitCode> {
  const pool = context.pool();
  await prepareProjectionTables(pool);
  const change = { paused: setting.paused, ...(setting.onPoison === undefined ? {} : { onPoison: setting.onPoison }) };
  for (const { name } of chosen) {
    await writeSetting(pool, name, change);
    if (!setting.paused) await clearStops(pool, name);
    console.log(`${name} ${setting.paused ? 'is paused: its readers see it as it stands' : 'goes on'}`);
  }
  await pool.query(`notify ${BUILDS_CHANNEL}`);
  return 0;
}

async function clearStops(pool: Pool, name: string): Promise<void> {
  for (const build of await listBuilds(pool, name))
    if (build.stopped !== undefined) await setStopped(pool, build.id, undefined);
}

const ROLLBACK_LIMIT_MS = 30_000;

async function rollback(context: CliContext, chosen: readonly AnyProjection[]): Promise<ExitCode> {
  const names = chosen.map(({ name }) => name);
  const deadline = performance.now() + ROLLBACK_LIMIT_MS;
  for (;;) {
    const outcome = await rollBack(context.pool(), names);
    if (outcome === 'flipped') break;
    if (performance.now() > deadline || context.signal.aborted)
      throw new CliError(
        `the previous builds of ${outcome.behind.join(', ')} are behind the live ones: is the projector running?`,
      );
    await delay(50);
  }
  console.log(`readers use the previous builds of ${names.join(', ')} again; the same command goes forward`);
  return 0;
}
