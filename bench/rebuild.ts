import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { createTestDatabase } from '../testing/postgres.ts';
import { createTestRedis } from '../testing/redis.ts';
import { startScript } from './child.ts';
import { startServer } from './event-store/processes.ts';
import { plotTimes, type Point } from './rebuild/plot.ts';

const RESULTS = new URL('results/', import.meta.url);
const SIZES = (process.env['BENCH_EVENTS'] ?? '100000,250000,500000,1000000').split(',').map(Number);
const EMMETT_EVENTS = 100_000;
const BARS = { ceiling: 0.6, emmett: 10, keys: 50_000 };

const Work = z.object({ amount: z.number(), seconds: z.number(), whole: z.number().optional(), peakMb: z.number() });
type Work = z.infer<typeof Work>;
const Peer = z.object({ seconds: z.number(), expected: z.number(), found: z.number() });
type Peer = z.infer<typeof Peer>;
type Measured = {
  readonly events: number;
  readonly ceiling: number;
  readonly postgres: Work;
  readonly warmed: Work;
  readonly redis: Work;
  readonly verify: Work;
  readonly verifyRedis: Work;
};

/**
 * Measures rebuilds of all models over logs of the product's own mix, next to reading the same log by one client that
 * does nothing, and to Emmett's rebuild of one table. Prints a table, writes `bench/results/rebuild.md` and a plot.
 * `BENCH_EVENTS=100000` measures other sizes.
 */
export async function run(): Promise<void> {
  const measured: Measured[] = [];
  for (const events of SIZES) {
    const one = await measure(events);
    console.log(
      `${String(events)} events: ceiling ${rate(one.ceiling)}/s, PostgreSQL ${rate(events / one.postgres.seconds)}/s at ${one.postgres.peakMb.toFixed(0)} MB, Redis ${one.redis.seconds.toFixed(1)} s for ${String(one.redis.amount)} keys, verify ${rate(one.verify.amount / one.verify.seconds)} keys/s`,
    );
    measured.push(one);
  }
  const peer = await measureEmmett();
  const report = describe(measured, peer);
  await mkdir(RESULTS, { recursive: true });
  await writeFile(new URL('rebuild.md', RESULTS), report);
  const times = (of: (one: Measured) => number) =>
    measured.map((one): Point => ({ events: one.events, seconds: of(one) }));
  await writeFile(
    new URL('rebuild.svg', RESULTS),
    plotTimes('Rebuild of all models', {
      'all PostgreSQL models': times(({ postgres }) => postgres.seconds),
      'all Redis models': times(({ redis }) => redis.seconds),
      'reading the log': times(({ events, ceiling }) => events / ceiling),
    }),
  );
  console.log(report);
}

async function measure(events: number): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-rebuild-'));
  const node = await startServer('../../infra/event-store-node/main.ts', ['--port', '0', '--data-dir', directory]);
  const [database, redis] = [await createTestDatabase(), await createTestRedis()];
  const masterKey = randomBytes(32).toString('base64');
  const work = async (name: string) =>
    Work.parse(await ask('work.child.ts', [name, node.url, database.url, redis.url, masterKey]));
  try {
    const filled = await ask('history.child.ts', [node.url, database.url, masterKey, String(events)]);
    if (filled !== events) throw new Error(`the log has ${String(filled)} events instead of ${String(events)}`);
    const read = async () => z.number().parse(await ask('read.child.ts', [node.url]));
    // The ceiling before and after, so that a load that comes and goes meets both.
    const before = await read();
    const postgres = await work('postgres');
    if (postgres.amount < events)
      throw new Error(`the rebuild passed ${String(postgres.amount)} events of ${String(events)}`);
    const after = await read();
    return {
      events,
      ceiling: (before + after) / 2,
      postgres,
      warmed: await work('warm'),
      redis: await work('redis'),
      verify: await work('verify'),
      verifyRedis: await work('verify-redis'),
    };
  } finally {
    await node.stop();
    await redis.close();
    await database.drop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function measureEmmett(): Promise<Peer> {
  const database = await createTestDatabase();
  try {
    return Peer.parse(await ask('emmett.child.ts', [database.url, String(EMMETT_EVENTS)]));
  } finally {
    await database.drop();
  }
}

async function ask(file: string, args: readonly string[]): Promise<unknown> {
  const child = startScript(new URL(`rebuild/${file}`, import.meta.url), args);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`${file} ${args[0] ?? ''} ended with ${String(child.exitCode)}`);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '');
}

const rate = (value: number) => Math.round(value).toLocaleString('en');
const held = (met: boolean) => (met ? '✓' : '✗');

function describe(measured: readonly Measured[], peer: Peer): string {
  const rows = measured.map(({ events, ceiling, postgres, redis, verify, verifyRedis }) => {
    const ours = events / postgres.seconds;
    return `| ${rate(events)} | ${rate(ceiling)} | ${rate(ours)} | ${(ours / ceiling).toFixed(2)} ${held(ours / ceiling >= BARS.ceiling)} | ${postgres.peakMb.toFixed(0)} | ${postgres.seconds.toFixed(1)} | ${redis.seconds.toFixed(1)} ${held(redis.seconds <= postgres.seconds)} | ${rate(redis.amount)} | ${rate(verify.amount / verify.seconds)} ${held(verify.amount / verify.seconds >= BARS.keys)} | ${(verify.whole ?? verify.seconds).toFixed(1)} | ${rate(verifyRedis.amount / verifyRedis.seconds)} |`;
  });
  return `# Rebuild

Logs of the product's own mix (testing/event-mix.ts), personal data sealed; each piece of work in a process of its own.
${String(cpus().length)} cores (${cpus()[0]?.model ?? 'unknown'}) with a load of ${(loadavg()[0] ?? 0).toFixed(1)} at the end, Node ${process.version}; event store, PostgreSQL and Redis on the same machine.
The ceiling is \`readAll\` alone by one client that does nothing, before and after the rebuild. Verify: keys compared in a second of comparing, and the whole of it with the replay that it compares with.

| events | ceiling, events/s | all PostgreSQL models, events/s | of the ceiling (≥ ${String(BARS.ceiling)}) | peak MB | PostgreSQL, s | Redis, s (≤ PostgreSQL) | Redis keys | verify, keys/s (≥ ${rate(BARS.keys)}) | whole verify, s | verify Redis, keys/s |
|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
${rows.join('\n')}

${besideEmmett(measured[0], peer)}

![seconds over events](rebuild.svg)

Run it with \`npm run bench rebuild\`; \`BENCH_EVENTS=100000\` measures other sizes.
`;
}

function besideEmmett(smallest: Measured | undefined, { seconds, expected, found }: Peer): string {
  const theirs = expected / seconds;
  const ours = smallest === undefined ? 0 : smallest.events / smallest.postgres.seconds;
  const complete =
    found === expected
      ? 'its table is complete'
      : `its table has only ${rate(found)} of ${rate(expected)} rows, and it said nothing`;
  return `Emmett's \`rebuildPostgreSQLProjections\` over one \`postgreSQLRawBatchSQLProjection\` of ${rate(expected)} events: ${rate(theirs)} events/s (${complete}). All our models from ${rate(smallest?.events ?? 0)} events: ${(ours / theirs).toFixed(1)} times that (≥ ${String(BARS.emmett)}) ${held(ours / theirs >= BARS.emmett)}.`;
}
