import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { evenGraph, sharedGraph, type Graph } from './feed/graph.ts';
import { measure, SETTINGS, type Measured } from './feed/measure.ts';
import { barPlot } from './feed/plot.ts';

const RESULTS = new URL('results/', import.meta.url);
const POSTS_EACH = 50;
const BARS = { bare: 0.4, p99Ms: 20, growth: 1.2, bluesky: 10 };

type World = { readonly graph: Graph; readonly each: number; readonly withPeer: boolean };

/**
 * Measures GET /v1/feed?limit=20, ranked and hydrated, over HTTP, next to the bare limit (express answering a constant
 * of the same size after one Redis round trip) and, on the Facebook graph, to Bluesky's dataplane. Prints a table and
 * writes
 * `bench/results/feed.md` and `feed.svg`.
 */
export async function run(): Promise<void> {
  const { viewers } = SETTINGS;
  const facebook = sharedGraph('facebook');
  const even = (accounts: number, each: number, posts: number): World => ({
    graph: evenGraph({ accounts, followers: viewers, each }),
    each: posts,
    withPeer: false,
  });
  const real = facebook === undefined ? undefined : await show({ graph: facebook, each: POSTS_EACH, withPeer: true });
  // As many candidates everywhere, so that one thing changes at a time.
  const accounts = [
    await show(even(1_000, 40, 20)),
    await show(even(10_000, 40, 20)),
    await show(even(100_000, 40, 20)),
  ];
  const followees = [
    await show(even(4_001, 10, 50)),
    await show(even(4_001, 200, 5)),
    await show(even(4_001, 2_000, 5)),
  ];
  const report = describe(real, accounts, followees);
  await mkdir(RESULTS, { recursive: true });
  await writeFile(new URL('feed.md', RESULTS), report);
  await writeFile(new URL('feed.svg', RESULTS), plot(real, accounts, followees));
  console.log(report);
}

async function show({ graph, each, withPeer }: World): Promise<Measured> {
  const one = await measure(graph, { each, withPeer });
  const peer = one.bluesky === undefined ? '' : `, Bluesky ${one.bluesky.rate.toFixed(0)}`;
  console.log(
    `${one.world}: ${one.best.rate.toFixed(0)} feeds/s, ${one.bare.rate.toFixed(0)} bare${peer}, p50 ${one.one.p50.toFixed(1)} ms alone, p99 ${one.half.p99.toFixed(1)} ms at half the rate`,
  );
  return one;
}

const mark = (met: boolean) => (met ? '✓' : '✗');
const number = (value: number) => Math.round(value).toLocaleString('en');

function rowOf({ world, posts, best, liking, half, one, bare }: Measured): string {
  const ratio = best.rate / bare.rate;
  return `| ${world} | ${number(posts)} | ${number(best.rate)} | ${number(liking.rate)} | ${number(bare.rate)} | ${ratio.toFixed(2)} ${mark(ratio >= BARS.bare)} | ${one.p50.toFixed(1)} | ${half.p50.toFixed(1)} / ${half.p99.toFixed(1)} ${mark(half.p99 <= BARS.p99Ms)} | ${String(best.failed + half.failed)} |`;
}

function growth(measured: readonly Measured[], what: string): string {
  const [from, to] = [measured[0], measured.at(-1)];
  if (from === undefined || to === undefined) return '';
  const ratio = to.one.p50 / from.one.p50;
  return `From ${what} p50 (one reader at a time) goes from ${from.one.p50.toFixed(2)} to ${to.one.p50.toFixed(2)} ms: × ${ratio.toFixed(2)} (≤ ${String(BARS.growth)}) ${mark(ratio <= BARS.growth)}.`;
}

function againstBluesky(real: Measured | undefined): string {
  if (real?.bluesky === undefined) return "Bluesky's dataplane was not measured.";
  const ratio = real.best.rate / real.bluesky.rate;
  return `Bluesky's dataplane (\`@atproto/bsky\`, GetTimeline of 20 over HTTP, not ranked, not hydrated) on the same graph in the same run: ${number(real.bluesky.rate)}/s, p50 ${real.bluesky.p50.toFixed(1)} ms, p99 ${real.bluesky.p99.toFixed(1)} ms; we answer × ${ratio.toFixed(1)} as many (≥ ${String(BARS.bluesky)}) ${mark(ratio >= BARS.bluesky)}.`;
}

function describe(real: Measured | undefined, accounts: readonly Measured[], followees: readonly Measured[]): string {
  const { celebrities, rounds, connections, viewers, likes } = SETTINGS;
  const rows = [...(real === undefined ? [] : [real]), ...accounts, ...followees].map(rowOf);
  return `# Reading the home feed

GET /v1/feed?limit=20, ranked and hydrated, over HTTP; ${String(viewers)} viewers, each also follows ${String(celebrities)} celebrities (best of ${String(rounds)} rounds in turns with the bare limit, ${String(connections)} connections, ${String(cpus().length)} cores with a load of ${(loadavg()[0] ?? 0).toFixed(1)} at the end, everything on one machine).
The bare limit is express answering a constant of the same size after one Redis round trip. The read API runs with telemetry, and sheds no load: each answer is a page of its own, of what is kept until a change is heard of (ADR 14). Each viewer comes again every few tenths of a second at the highest rate; the column with likes shows what changes cost: each drops a post of a first page and a viewer.

| world | posts | feed/s | feed/s with ${String(likes)} likes/s | bare/s | feed / bare (≥ ${String(BARS.bare)}) | p50 alone, ms | p50 / p99 at half the rate, ms (p99 ≤ ${String(BARS.p99Ms)}) | failed |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
${rows.join('\n')}

${againstBluesky(real)}

${growth(accounts, '1,000 to 100,000 accounts')}
${growth(followees, '10 to 2,000 followees')}

![rates and times](feed.svg)

Run it with \`npm run bench feed\`. The first row wants the graphs of the shared data folder; \`@atproto/bsky\` is fetched into \`.data/bench-bsky\` the first time.
`;
}

function plot(real: Measured | undefined, accounts: readonly Measured[], followees: readonly Measured[]): string {
  const p50 = ({ world, one }: Measured) => ({ label: world, value: one.p50 });
  const rates =
    real === undefined
      ? []
      : [
          { label: 'bare express + Redis', value: real.bare.rate },
          { label: 'home feed', value: real.best.rate },
          ...(real.bluesky === undefined ? [] : [{ label: 'Bluesky dataplane', value: real.bluesky.rate }]),
        ];
  return barPlot([
    ...(rates.length === 0
      ? []
      : [{ title: 'Answers a second, Facebook graph, 202,100 posts', unit: '/s', bars: rates }]),
    { title: 'p50 by accounts', unit: 'ms', bars: accounts.map(p50) },
    { title: 'p50 by followees', unit: 'ms', bars: followees.map(p50) },
  ]);
}
