import type { Command } from 'commander';
import { codeVersions } from '../projections/catalog.ts';
import type { RowDifference } from '../projections/rebuild/compare-tables.ts';
import type { KeyDifference } from '../projections/lane-projection.ts';
import { byStore } from '../projections/rebuild/rebuild-plan.ts';
import { verifyLanes } from '../projections/rebuild/verify-lanes.ts';
import { verifyPostgres, type Finding } from '../projections/rebuild/verify.ts';
import { CliError, type CliContext, type ExitCode } from './context.ts';
import type { Run } from './context.ts';
import { showProgress } from './progress.ts';
import { chosenProjections, type AnyProjection } from './projection-names.ts';
import { openDeps } from './rebuild.ts';

type Choice = { all?: boolean; sample?: string; json?: boolean };

/** Differences that are listed on a terminal; `--json` lists as many of each store as a comparison keeps. */
const SHOWN_AT_MOST = 100;

type Result = {
  readonly keys: number;
  readonly seconds: number;
  readonly differences: readonly unknown[];
  readonly lines: readonly string[];
  /** Differences that are counted only. */ readonly more: number;
};

/** `projections verify`: recomputes read models and compares; exit 3 when one is not what the log says. */
export function registerVerify(group: Command, run: Run): void {
  group
    .command('verify')
    .description('recompute read models from the log and compare them with the live ones; exit 3 when they differ')
    .argument('[names...]')
    .option('--all', 'all of them')
    .option('--sample <keys>', 'compare about so many keys of each table or index')
    .option('--json', 'one JSON object; progress as a JSON line a second')
    .action((names: string[], options: Choice) =>
      run((context) => verify(context, chosenProjections(names, options.all === true), options)),
    );
}

async function verify(context: CliContext, chosen: readonly AnyProjection[], options: Choice): Promise<ExitCode> {
  const sample = sampleOf(options.sample);
  const json = options.json === true;
  const { postgres, lanes } = byStore(chosen);
  const results = [
    await inPostgres(context, postgres, { sample, json }),
    await inRedis(context, lanes, { sample, json }),
  ];
  const differences = results.flatMap((one) => one.differences);
  const more = results.reduce((sum, one) => sum + one.more, 0);
  const keys = results.reduce((sum, one) => sum + one.keys, 0);
  const seconds = results.reduce((sum, one) => sum + one.seconds, 0);
  if (json) {
    console.log(
      JSON.stringify({
        verified: chosen.map(({ name }) => name),
        keys,
        seconds: Math.round(seconds * 10) / 10,
        differences,
        more_differences: more,
      }),
    );
  } else {
    const lines = results.flatMap((one) => one.lines);
    for (const line of lines.slice(0, SHOWN_AT_MOST)) console.log(line);
    const hidden = Math.max(0, lines.length - SHOWN_AT_MOST);
    if (hidden + more > 0)
      console.log(
        `… and ${String(hidden + more)} more${hidden > 0 ? `; --json lists ${more > 0 ? String(lines.length) : 'all'}` : ''}`,
      );
    console.log(
      `${chosen.map(({ name }) => name).join(', ')}: ${String(keys)} keys compared, ${differences.length === 0 ? 'all equal' : `${String(differences.length + more)} differ`}`,
    );
  }
  return differences.length === 0 ? 0 : 3;
}

function sampleOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const sample = Number(text);
  if (!Number.isInteger(sample) || sample < 1) throw new CliError('--sample is a whole number from 1', 2);
  return sample;
}

type How = { readonly sample: number | undefined; readonly json: boolean };

async function inPostgres(
  context: CliContext,
  projections: ReturnType<typeof byStore>['postgres'],
  { sample, json }: How,
): Promise<Result> {
  if (projections.length === 0) return { keys: 0, seconds: 0, differences: [], lines: [], more: 0 };
  let shown = showProgress('replaying', { unit: 'events', json });
  let step = 'replaying';
  const report = (progress: { step: 'replaying' | 'comparing'; done: number; total: number }) => {
    if (progress.step !== step) {
      shown.end();
      step = progress.step;
      shown = showProgress(step, { unit: step === 'comparing' ? 'keys' : 'events', json });
    }
    shown.at(progress.done, progress.total);
  };
  try {
    const { keys, findings, more, seconds } = await verifyPostgres(await openDeps(context), projections, {
      sample,
      signal: context.signal,
      report,
    });
    return { keys, seconds, more, differences: findings.map(presentRow), lines: findings.map(lineOfRow) };
  } finally {
    shown.end();
  }
}

async function inRedis(
  context: CliContext,
  projections: ReturnType<typeof byStore>['lanes'],
  { sample, json }: How,
): Promise<Result> {
  const started = performance.now();
  const found: { keys: number; differences: unknown[]; lines: string[]; more: number } = {
    keys: 0,
    differences: [],
    lines: [],
    more: 0,
  };
  for (const projection of projections) {
    const shown = showProgress(`comparing ${projection.name}`, { unit: 'keys', json });
    const deps = {
      pool: context.pool(),
      redis: await context.redis(),
      store: await context.store(),
      versions: codeVersions,
    };
    const { keys, differences, more } = await verifyLanes(deps, projection, {
      sample,
      signal: context.signal,
      report: (done) => {
        shown.at(done, done);
      },
    }).finally(() => {
      shown.end();
    });
    found.keys += keys;
    found.more += more;
    found.differences.push(...differences.map((difference) => ({ projection: projection.name, ...difference })));
    found.lines.push(...differences.map((difference) => lineOfKey(projection.name, difference)));
  }
  return { ...found, seconds: (performance.now() - started) / 1_000 };
}

function presentRow({ projection, difference }: Finding): { projection: string } & RowDifference {
  return { projection, ...difference };
}

function lineOfRow({ projection, difference: { table, key, live, expected } }: Finding): string {
  const [ours, theirs] =
    live === null || expected === null ? [live, expected] : [differing(live, expected), differing(expected, live)];
  return `${projection}.${table} ${JSON.stringify(key)}: live ${ours === null ? 'has no row' : JSON.stringify(ours)}, the log gives ${theirs === null ? 'no row' : JSON.stringify(theirs)}`;
}

type Row = Readonly<Record<string, unknown>>;

// On a terminal the columns that are equal would hide the one that is not; --json has all of them.
function differing(row: Row, other: Row): Row {
  return Object.fromEntries(
    Object.entries(row).filter(([column, value]) => JSON.stringify(value) !== JSON.stringify(other[column])),
  );
}

function lineOfKey(projection: string, { key, live, expected, broken }: KeyDifference): string {
  if (broken !== undefined)
    return `${projection} ${key}: cannot be read (${broken}), ${String(expected.length)} entries by definition`;
  const missing = expected.filter(({ id, score }) => !live.some((one) => one.id === id && one.score === score));
  const extra = live.filter(({ id, score }) => !expected.some((one) => one.id === id && one.score === score));
  return `${projection} ${key}: ${String(live.length)} entries live, ${String(expected.length)} by definition; missing ${JSON.stringify(missing)}, extra ${JSON.stringify(extra)}`;
}
