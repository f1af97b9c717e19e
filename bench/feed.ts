import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { createTokens } from '../infra/jwt.ts';
import { createTestRedis } from '../testing/redis.ts';
import { startServer } from './event-store/processes.ts';
import { evenGraph, sharedGraph, type Graph } from './feed/graph.ts';
import { createModels, writeGraph } from './feed/models.ts';
import { withCelebrities, writePosts } from './feed/posts.ts';

const RESULT_FILE = new URL('results/feed.md', import.meta.url);
const SECRET = 'a secret of the benchmark, long enough for anybody';
const STORE_ID = '00000000-0000-4000-8000-000000000001';
const POSTS_EACH = 50;
const CELEBRITIES = 3;
const CONNECTIONS = 16;
const SECONDS = 5;
const VIEWERS = 500;
const ROUNDS = 3;
const BARS = { bare: 0.4, p99Ms: 20, growth: 1.2 };

const Load = z.object({ rate: z.number(), p50: z.number(), p99: z.number(), failed: z.number(), bytes: z.number() });
type Load = z.infer<typeof Load>;
type Measured = { readonly world: string; readonly posts: number; readonly best: Load; readonly half: Load; readonly one: Load; readonly bare: Load };

/**
 * Measures GET /v1/feed?limit=20, ranked and hydrated, over HTTP, next to the bare limit: express answering a constant of
 * the same size after one Redis round trip. Prints a table and writes `bench/results/feed.md`.
 */
export async function run(): Promise<void> {
  const facebook = sharedGraph('facebook');
  const worlds: { graph: Graph; each: number }[] = [
    ...(facebook === undefined ? [] : [{ graph: facebook, each: POSTS_EACH }]),
    { graph: evenGraph({ accounts: 1_000, followers: VIEWERS, each: 40 }), each: 20 },
    { graph: evenGraph({ accounts: 100_000, followers: VIEWERS, each: 40 }), each: 2 },
    { graph: evenGraph({ accounts: 4_001, followers: VIEWERS, each: 10 }), each: POSTS_EACH },
    { graph: evenGraph({ accounts: 4_001, followers: VIEWERS, each: 2_000 }), each: 5 },
  ];
  const measured: Measured[] = [];
  for (const { graph, each } of worlds) {
    const one = await measure(graph, each);
    console.log(`${one.world}: ${one.best.rate.toFixed(0)} feeds/s, ${one.bare.rate.toFixed(0)} bare, p50 ${one.one.p50.toFixed(1)} ms alone, p99 ${one.half.p99.toFixed(1)} ms at half the rate`);
    measured.push(one);
  }
  const report = describe(measured);
  await mkdir(new URL('results/', import.meta.url), { recursive: true });
  await writeFile(RESULT_FILE, report);
  console.log(report);
}

export async function measure(plain: Graph, each: number): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-feed-'));
  const models = await createModels({ storeId: STORE_ID });
  const server = await createTestRedis();
  const api: { stop(): Promise<void> }[] = [];
  try {
    const { graph, celebrities } = withCelebrities(plain, CELEBRITIES);
    await writeGraph(models, graph, celebrities);
    const posts = await writePosts(models, graph, each, new Date());
    const tokens = join(directory, 'tokens');
    const viewers = plain.accounts.slice(0, VIEWERS);
    const issuer = createTokens(SECRET);
    await writeFile(tokens, (await Promise.all(viewers.map((id) => issuer.forAccount(id, 'bench', new Date())))).join('\n'));
    const reads = await startServer('../feed/read-api.child.ts', [models.url, server.url, SECRET, directory]);
    api.push(reads);
    const load = (url: string, rate = 0, connections = CONNECTIONS, seconds = SECONDS) => ask([url, tokens, connections, seconds, rate]);
    // Everybody reads once, so that feeds, signals and tastes are there, as they are in a running system.
    const warm = await load(reads.url, 0, CONNECTIONS, 2 * SECONDS);
    const bare = await startServer('../feed/bare.child.ts', [server.url, String(warm.bytes)]);
    api.push(bare);
    const rounds: { feed: Load; bare: Load }[] = [];
    for (let round = 0; round < ROUNDS; round += 1) rounds.push({ bare: await load(bare.url), feed: await load(reads.url) });
    const best = fastest(rounds.map(({ feed }) => feed));
    return {
      world: plain.name, posts, best,
      bare: fastest(rounds.map((round) => round.bare)),
      half: await load(reads.url, best.rate / 2),
      one: await load(reads.url, 0, 1),
    };
  } finally {
    for (const one of api) await one.stop();
    await server.close();
    await models.close();
    await rm(directory, { recursive: true, force: true });
  }
}

const fastest = (loads: readonly Load[]) => loads.reduce((one, other) => (other.rate > one.rate ? other : one));

async function ask(args: readonly (string | number)[]): Promise<Load> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('feed/load.child.ts', import.meta.url)), ...args.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => { output += chunk.toString(); });
  await once(child, 'close');
  return Load.parse(JSON.parse(output));
}

function describe(measured: readonly Measured[]): string {
  const mark = (met: boolean) => (met ? '✓' : '✗');
  const number = (value: number) => Math.round(value).toLocaleString('en');
  const rows = measured.map(({ world, posts, best, half, one, bare }) => {
    const ratio = best.rate / bare.rate;
    return `| ${world} | ${number(posts)} | ${number(best.rate)} | ${number(bare.rate)} | ${ratio.toFixed(2)} ${mark(ratio >= BARS.bare)} | ${one.p50.toFixed(1)} | ${half.p50.toFixed(1)} / ${half.p99.toFixed(1)} ${mark(half.p99 <= BARS.p99Ms)} | ${String(best.failed + half.failed)} |`;
  });
  const [, small, large, few, many] = measured.length === 5 ? measured : [undefined, ...measured];
  const growth = (from: Measured | undefined, to: Measured | undefined, what: string) => (from === undefined || to === undefined ? '' : `p50 grows by ${(to.one.p50 / from.one.p50).toFixed(2)} from ${what} ${mark(to.one.p50 / from.one.p50 <= BARS.growth)}.`);
  return `# Reading the home feed

GET /v1/feed?limit=20, ranked and hydrated, over HTTP; each viewer also follows ${String(CELEBRITIES)} celebrities (best of ${String(ROUNDS)} rounds in turns with the bare limit, ${String(CONNECTIONS)} connections, ${String(cpus().length)} cores with a load of ${(loadavg()[0] ?? 0).toFixed(1)} at the end, everything on one machine).
The bare limit is express answering a constant of the same size after one Redis round trip.

| world | posts | feed/s | bare/s | feed / bare (≥ ${String(BARS.bare)}) | p50 alone, ms | p50 / p99 at half the rate, ms (p99 ≤ ${String(BARS.p99Ms)}) | failed |
|---|--:|--:|--:|--:|--:|--:|--:|
${rows.join('\n')}

${growth(small, large, '1,000 to 100,000 accounts')} ${growth(few, many, '10 to 2,000 followees')}

Run it with \`npm run bench feed\`; the first row wants the graphs of the shared data folder.
`;
}
