import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { captureAll } from './event-store/capture.ts';
import { runLoad, startServer } from './event-store/processes.ts';
import type { ServerProcess } from './event-store/processes.ts';

const NODE = '../../infra/event-store-node/main.ts';
const RESULT_FILE = new URL('results/event-store.md', import.meta.url);
const ROUNDS = 5;
const SECONDS = 2;
const READ_EVENTS = 100_000;
const BARS = { emmett: 2, noop: 0.8, raw: 0.7 };

interface AppendRates {
  writers: number;
  node: number[];
  noop: number[];
  emmett: number[];
}
interface ReadRates {
  node: number[];
  raw: number[];
}

/**
 * Measures the embedded event store: appends with 1, 16 and 64 writers next to Emmett on PostgreSQL and to the same
 * client against a server that does nothing, and `readAll` next to a bare HTTP/2 server. The contestants take turns
 * within each round, so that other load on the machine meets them alike. Prints a table and writes
 * `bench/results/event-store.md`.
 */
export async function run(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-event-store-'));
  const database = await createDatabase();
  const servers: ServerProcess[] = [];
  try {
    const noop = await started(servers, startServer('noop-server.child.ts', []));
    const appends: AppendRates[] = [];
    for (const writers of [1, 16, 64]) {
      const node = await started(
        servers,
        startServer(NODE, ['--port', '0', '--data-dir', join(directory, `append-${writers}`)]),
      );
      appends.push(await measureAppends(writers, { node: node.url, noop: noop.url, emmett: database.url }));
      await node.stop();
    }
    const reads = await measureReads(servers, directory);
    const report = describe(appends, reads, database.durability);
    await mkdir(new URL('results/', import.meta.url), { recursive: true });
    await writeFile(RESULT_FILE, report + (await remarks()));
    console.log(report);
  } finally {
    for (const server of servers) await server.stop();
    await database.drop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** What people have written below the last tables, from the first heading on. */
async function remarks(): Promise<string> {
  const before = await readFile(RESULT_FILE, 'utf8').catch(() => '');
  const start = before.indexOf('\n## ');
  return start < 0 ? '' : before.slice(start);
}

async function started(servers: ServerProcess[], start: Promise<ServerProcess>): Promise<ServerProcess> {
  const server = await start;
  servers.push(server);
  return server;
}

async function measureAppends(
  writers: number,
  urls: { node: string; noop: string; emmett: string },
): Promise<AppendRates> {
  const rates: AppendRates = { writers, node: [], noop: [], emmett: [] };
  for (let round = 0; round < ROUNDS; round++) {
    rates.noop.push(await runLoad('append-load.child.ts', [urls.noop, writers, SECONDS]));
    rates.node.push(await runLoad('append-load.child.ts', [urls.node, writers, SECONDS]));
    rates.emmett.push(await runLoad('emmett-load.child.ts', [urls.emmett, writers, SECONDS]));
  }
  return rates;
}

async function measureReads(servers: ServerProcess[], directory: string): Promise<ReadRates> {
  const node = await started(servers, startServer(NODE, ['--port', '0', '--data-dir', join(directory, 'read')]));
  await runLoad('fill-load.child.ts', [node.url, READ_EVENTS]);
  const file = join(directory, 'messages');
  const count = await captureAll(node.url, file);
  const raw = await started(servers, startServer('raw-server.child.ts', [file]));
  const rates: ReadRates = { node: [], raw: [] };
  for (let round = 0; round < ROUNDS; round++) {
    rates.raw.push(await runLoad('read-load.child.ts', [raw.url, count]));
    rates.node.push(await runLoad('read-load.child.ts', [node.url, count]));
  }
  return rates;
}

interface BenchDatabase {
  url: string;
  durability: string;
  drop(): Promise<void>;
}

/** A new database on the server of TEST_DATABASE_URL or DATABASE_URL, and how durable that server is. */
async function createDatabase(): Promise<BenchDatabase> {
  const server = process.env['TEST_DATABASE_URL'] ?? process.env['DATABASE_URL'];
  if (server === undefined) throw new Error('name a PostgreSQL server in TEST_DATABASE_URL or DATABASE_URL');
  const name = `bench_event_store_${process.pid}`;
  const { fsync, commit } = await onServer(server, async (client) => {
    await client.query(`create database ${name}`);
    const settings = await client.query<{ fsync: string; commit: string }>(
      "select current_setting('fsync') fsync, current_setting('synchronous_commit') commit",
    );
    return settings.rows[0] ?? { fsync: 'unknown', commit: 'unknown' };
  });
  const url = new URL(server);
  url.pathname = `/${name}`;
  const drop = async (): Promise<void> => {
    await onServer(server, (client) => client.query(`drop database ${name} with (force)`));
  };
  return { url: url.toString(), durability: `fsync ${fsync}, synchronous_commit ${commit}`, drop };
}

async function onServer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** The median of the ratios within each round: robust against load that comes and goes. */
function ratio(of: readonly number[], to: readonly number[]): number {
  return median(of.map((value, round) => value / (to[round] ?? NaN)));
}

function rate(values: readonly number[]): string {
  return Math.round(median(values)).toLocaleString('en');
}

function judged(value: number, bar: number | undefined): string {
  return bar === undefined ? value.toFixed(2) : `${value.toFixed(2)} (bar ${bar}: ${value >= bar ? 'held' : 'MISSED'})`;
}

function describe(appends: readonly AppendRates[], reads: ReadRates, durability: string): string {
  const rows = appends.map(({ writers, node, noop, emmett }) => {
    const bar = writers === 16;
    const toNoop = judged(ratio(node, noop), bar ? BARS.noop : undefined);
    const toEmmett = judged(ratio(node, emmett), bar ? BARS.emmett : undefined);
    return `| ${writers} | ${rate(node)} | ${rate(noop)} | ${rate(emmett)} | ${toNoop} | ${toEmmett} |`;
  });
  return `# Event store

${ROUNDS} rounds of ${SECONDS} s each, contestants in turn; rates are medians, ratios medians of the ratios within a round.
${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.version}. One client process; events of about 300 bytes.
Every append of the node is on disk (fsync) before it is acknowledged. PostgreSQL: ${durability}.

Appends per second, one event each, to new streams:

| writers | node | same client, no-op server | Emmett on PostgreSQL | node / no-op | node / Emmett |
|--:|--:|--:|--:|--:|--:|
${rows.join('\n')}

Events per second of \`readAll\` over ${READ_EVENTS.toLocaleString('en')} events:

| node | raw HTTP/2 server, same encoded events | node / raw |
|--:|--:|--:|
| ${rate(reads.node)} | ${rate(reads.raw)} | ${judged(ratio(reads.node, reads.raw), BARS.raw)} |
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run();
