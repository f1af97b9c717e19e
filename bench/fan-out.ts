import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { PARTS } from './fan-out/cpu.ts';
import { CONTESTANTS, measure, ROUNDS, sumOf, type Measured } from './fan-out/measure.ts';
import { sharedGraph } from './feed/graph.ts';

const RESULT_FILE = new URL('results/fan-out.md', import.meta.url);
/** `BENCH_GRAPHS=facebook` measures one alone. */
const GRAPHS = (process.env['BENCH_GRAPHS'] ?? 'facebook,higgs').split(',');
const BARS = { plain: 2, bare: 0.5, slowestMs: 100, freshP99: 1_000 };

/**
 * Measures fan-out on real graphs: from the events in the log to all feeds, with the PostgreSQL models on the way and
 * with them ready, next to a plain pipeline of ZADD and trim and to the bare server-side function, both with the
 * audience in memory. Prints a table and writes `bench/results/fan-out.md`.
 */
export async function run(): Promise<void> {
  const measured: Measured[] = [];
  for (const name of ['facebook', 'higgs'] as const) {
    if (!GRAPHS.includes(name)) continue;
    const graph = sharedGraph(name);
    if (graph === undefined) continue;
    const one = await measure(graph);
    console.log(rowOf(one));
    measured.push(one);
  }
  if (measured.length === 0) return;
  const report = describe(measured);
  await mkdir(new URL('results/', import.meta.url), { recursive: true });
  await writeFile(RESULT_FILE, report);
  console.log(report);
}

function rowOf(one: Measured): string {
  const rate = (value: number) => Math.round(value / 1_000).toLocaleString('en');
  const mark = (met: boolean) => (met ? '✓' : '✗');
  const [plain, bare] = [one.whole / one.plain, one.whole / one.bare];
  return `| ${one.graph} | ${String(one.held)} | ${one.posts.toLocaleString('en')} | ${one.deliveries.toLocaleString('en')} | ${rate(one.plain)} | ${rate(one.bare)} | ${rate(one.lanes)} | ${rate(one.whole)} | ${plain.toFixed(2)} ${mark(plain >= BARS.plain)} | ${bare.toFixed(2)} ${mark(bare >= BARS.bare)} | ${one.slowestMs.toFixed(0)} (${one.slowestAudience.toLocaleString('en')}) ${mark(one.slowestMs < BARS.slowestMs)} | ${one.freshP50.toFixed(0)} / ${one.freshP99.toFixed(0)} ${mark(one.freshP99 < BARS.freshP99)} |`;
}

function cpuRowsOf({ graph, cpu }: Measured): string[] {
  return CONTESTANTS.map(
    (name) =>
      `| ${graph} | ${name} | ${PARTS.map((part) => cpu[name][part].toFixed(2)).join(' | ')} | ${sumOf(cpu[name]).toFixed(2)} | ${(sumOf(cpu.plain) / sumOf(cpu[name])).toFixed(2)} |`,
  );
}

function describe(measured: readonly Measured[]): string {
  const rows = measured.map(rowOf);
  return `# Fan-out

Deliveries of posts to followers' feeds, in thousands a second (best of ${String(ROUNDS)} rounds in turns, ${String(cpus().length)} cores, everything on one machine).
Each author publishes posts that were made before. "Whole" is from the events (PostPublished) in the log, through the PostgreSQL models, to all feeds; "lanes" the same with the models ready.
The slowest post is the last to show of one post by each of the 20 authors with most followers, in the best of three passes.
The plain pipeline (ZADD and trim for each follower) and the bare function (1,000 indexes a call) have the audience in memory and know no log. Feeds are full (500 entries) where memory allows, as feeds of those who read them are.
The graph of Higgs is that of who retweeted whom: most accounts have few followers, so that a post means few deliveries there, and what a post costs by itself (log, models) weighs more.

| graph | entries in each feed before | posts | deliveries | plain | bare | lanes | whole | whole / plain (≥ ${String(BARS.plain)}) | whole / bare (≥ ${String(BARS.bare)}) | slowest post, ms (followers) < ${String(BARS.slowestMs)} | 50 posts/s, ms to show, p50 / p99 < ${String(BARS.freshP99)} |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
${rows.join('\n')}

Microseconds of CPU time for each delivery, by process, in the round that took least of it. A machine that others use bends the rates, these much less.

| graph | contestant | ${PARTS.join(' | ')} | all | plain / this |
|---|---|${PARTS.map(() => '--:').join('|')}|--:|--:|
${measured.flatMap(cpuRowsOf).join('\n')}

Run it with \`npm run bench fan-out\`; it wants the graphs of the shared data folder.
`;
}
