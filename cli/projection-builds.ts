import type { Command } from 'commander';
import { shownPosition } from '../infra/event-store/position-text.ts';
import { createSortedIndexes } from '../infra/redis/sorted-indexes.ts';
import { listBuilds, quoted, type Build } from '../projections/builds/build-store.ts';
import { postgresProjections } from '../projections/catalog.ts';
import { retire } from '../projections/builds/switch-over.ts';
import { BUCKETS, idOfKey, kindOfKey } from '../projections/lane-keys.ts';
import { removeKeys } from '../projections/builds/remove-keys.ts';
import { removeData } from '../projections/builds/clean-up.ts';
import { CliError, type CliContext, type ExitCode } from './context.ts';
import type { Run } from './context.ts';

/** More than any index holds. */
const ENTRIES_AT_MOST = 10_000;

type RowsOptions = { build: string; where?: string[]; limit: string };
type EntriesOptions = { build: string; of?: string; limit: string };

/** `projections builds|rows|entries|drop`: the builds themselves, side builds among them. */
export function registerBuilds(group: Command, run: Run): void {
  group
    .command('builds')
    .description('every build that holds data: live, previous, being built, and side builds')
    .option('--json', 'one JSON array')
    .action((options: { json?: boolean }) => run((context) => showBuilds(context, options.json === true)));
  group
    .command('rows')
    .description('rows of a PostgreSQL build, one JSON object a line')
    .argument('<table>', 'such as follow or post')
    .requiredOption('--build <id>', 'the build, as projections builds shows it')
    .option('--where <column=value...>', 'only rows with these values')
    .option('--limit <count>', 'how many rows at most', '100')
    .action((table: string, options: RowsOptions) => run((context) => showRows(context, table, options)));
  group
    .command('entries')
    .description(
      'indexes of a build in Redis, one JSON object each: its kind, whose it is, and its entries, newest first',
    )
    .requiredOption('--build <id>', 'the build, as projections builds shows it')
    .option('--of <id>', 'only those of this account')
    .option('--limit <count>', 'how many indexes at most', '100')
    .action((options: EntriesOptions) => run((context) => showEntries(context, options)));
  group
    .command('drop')
    .description('remove a side build, or one that an interrupted rebuild left')
    .argument('<build>', 'its id')
    .action((id: string) => run((context) => drop(context, id)));
}

async function showBuilds(context: CliContext, json: boolean): Promise<ExitCode> {
  const builds = await listBuilds(context.pool());
  const rows = builds.map((build) => ({
    build: build.id,
    projection: build.projection,
    version: build.version,
    store: build.store,
    state: build.state,
    location: build.location,
    since: build.stateSince.toISOString(),
    until: build.untilPosition ?? null,
  }));
  if (json) console.log(JSON.stringify(rows));
  else
    for (const row of rows)
      console.log(
        `${String(row.build).padStart(5)}  ${row.projection.padEnd(16)} version ${String(row.version)}  ${row.state.padEnd(9)} since ${row.since}  ${row.location}${row.until === null ? '' : `  until ${shownPosition(row.until)}`}`,
      );
  return 0;
}

async function buildOf(context: CliContext, text: string): Promise<Build> {
  const build = (await listBuilds(context.pool())).find(({ id }) => String(id) === text);
  if (build === undefined) throw new CliError(`there is no build ${text}; shutterlog projections builds lists them`, 2);
  return build;
}

async function showRows(context: CliContext, table: string, options: RowsOptions): Promise<ExitCode> {
  const build = await buildOf(context, options.build);
  const tables = postgresProjections.find(({ name }) => name === build.projection)?.tables ?? [];
  const known = tables.find((one) => one.table === table);
  if (known === undefined)
    throw new CliError(
      `${build.projection} has no table ${table}; it has ${tables.map((one) => one.table).join(', ') || 'none in PostgreSQL'}`,
      2,
    );
  const limit = limitOf(options.limit);
  const conditions = (options.where ?? []).map((text) => conditionOf(text, [...known.key, ...known.columns]));
  const where =
    conditions.length === 0
      ? ''
      : `where ${conditions.map(({ column }, i) => `${column}::text = $${String(i + 2)}`).join(' and ')}`;
  const { rows } = await context
    .pool()
    .query(`select * from ${quoted(build.location)}.${table} ${where} order by ${known.key.join(', ')} limit $1`, [
      limit,
      ...conditions.map(({ value }) => value),
    ]);
  for (const row of rows) console.log(JSON.stringify(row));
  return 0;
}

function limitOf(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1) throw new CliError('--limit is a whole number from 1', 2);
  return limit;
}

async function showEntries(context: CliContext, options: EntriesOptions): Promise<ExitCode> {
  const build = await buildOf(context, options.build);
  if (build.store !== 'redis') throw new CliError(`${build.projection} is in PostgreSQL: projections rows shows it`, 2);
  let left = limitOf(options.limit);
  const indexes = createSortedIndexes(await context.redis(), { prefix: `${build.location}:`, buckets: BUCKETS });
  for await (const keys of indexes.scan(`${build.location}:`)) {
    const wanted = keys
      .filter(
        (key) =>
          kindOfKey(build.location, key) !== undefined && (options.of === undefined || idOfKey(key) === options.of),
      )
      .slice(0, left);
    left -= wanted.length;
    const found = await indexes.newest(wanted, { limit: ENTRIES_AT_MOST, renewMs: 0 });
    for (const [i, key] of wanted.entries()) {
      const index = found[i];
      if (index?.state === 'complete')
        console.log(JSON.stringify({ kind: kindOfKey(build.location, key), of: idOfKey(key), entries: index.entries }));
    }
    if (left === 0) break;
  }
  return 0;
}

function conditionOf(text: string, columns: readonly string[]): { column: string; value: string } {
  const at = text.indexOf('=');
  const column = text.slice(0, Math.max(at, 0));
  if (!columns.includes(column))
    throw new CliError(`--where takes column=value; the columns are ${columns.join(', ')}`, 2);
  return { column, value: text.slice(at + 1) };
}

async function drop(context: CliContext, id: string): Promise<ExitCode> {
  const build = await buildOf(context, id);
  if (build.state === 'live') throw new CliError(`build ${id} is live: rebuild ${build.projection} instead`, 2);
  if (build.state === 'previous') {
    await retire(context.pool(), build);
    console.log(`build ${id} of ${build.projection} is no longer fed; its data go once no reader can be using them`);
    return 0;
  }
  await removeData(context.pool(), build, async (prefix) => {
    await removeKeys(await context.redis(), prefix);
  });
  console.log(`build ${id} of ${build.projection} is gone`);
  return 0;
}
