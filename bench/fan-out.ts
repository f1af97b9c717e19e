import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import type { AccountId, PostId } from '../domain/ids.ts';
import { START_OF_LOG } from '../domain/position.ts';
import { openEventStore, type EventStore, type NewEvent } from '../infra/event-store.ts';
import { newId } from '../infra/ids.ts';
import { createSortedIndexes } from '../infra/sorted-indexes.ts';
import { laneProjections, postgresProjections } from '../projections/catalog.ts';
import { BUCKETS, keysOf } from '../projections/lane-keys.ts';
import { BUILDS_CHANNEL } from '../projections/leases.ts';
import { writeSetting } from '../projections/settings.ts';
import { createTestRedis } from '../testing/redis.ts';
import { startServer } from './event-store/processes.ts';
import { audiencesIn, sharedGraph, type Graph } from './feed/graph.ts';
import { createModels, inPortions, writeGraph, type Models } from './feed/models.ts';

const RESULT_FILE = new URL('results/fan-out.md', import.meta.url);
const CELEBRITY_LINE = 10_000;
const DELIVERIES = 600_000;
const ROUNDS = 3;
const POSTS_A_SECOND = 50;
const FRESHNESS_SECONDS = 10;
const BARS = { plain: 2, bare: 0.5, slowestMs: 100, freshP99: 1_000 };

type Measured = { readonly graph: string; readonly deliveries: number; readonly plain: number; readonly bare: number; readonly whole: number; readonly lanes: number; readonly slowestMs: number; readonly slowestAudience: number; readonly freshP50: number; readonly freshP99: number };

/**
 * Measures fan-out on real graphs: from the events in the log to all feeds, with the PostgreSQL models on the way and
 * with them ready, next to a plain pipeline of ZADD and trim and to the bare server-side function, both with the
 * audience in memory. Prints a table and writes `bench/results/fan-out.md`.
 */
export async function run(): Promise<void> {
  const measured: Measured[] = [];
  for (const name of ['facebook', 'higgs'] as const) {
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

async function measure(graph: Graph): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-fan-out-'));
  const node = await startServer('../../infra/event-store-node/main.ts', ['--port', '0', '--data-dir', directory]);
  const store = await openEventStore(node.url);
  const models = await createModels(store);
  const server = await createTestRedis();
  const redis = new Redis(server.url);
  try {
    const audiences = audiencesIn(graph);
    const celebrities = new Set(graph.accounts.filter((_, i) => (audiences[i]?.length ?? 0) >= CELEBRITY_LINE));
    const authors = graph.accounts.flatMap((id, i) => (celebrities.has(id) || audiences[i]?.length === 0 ? [] : [{ id, viewers: audiences[i] ?? [] }]));
    const perRound = authors.reduce((sum, { viewers }) => sum + viewers.length, 0);
    const posts = Array.from({ length: Math.max(1, Math.round(DELIVERIES / perRound)) }, () => authors).flat();
    const deliveries = posts.reduce((sum, { viewers }) => sum + viewers.length, 0);
    console.log(`${graph.name}: ${String(graph.accounts.length)} accounts, ${String(graph.follows.length)} follows, ${String(posts.length)} posts, ${String(deliveries)} deliveries`);
    await writeGraph(models, graph, celebrities);
    const bench: Bench = { models, store, redis, urls: [node.url, models.url, server.url] as const, viewers: [...new Set(authors.flatMap(({ viewers }) => viewers))] };
    const rates = { plain: [] as number[], bare: [] as number[], whole: [] as number[], lanes: [] as number[] };
    for (let round = 0; round < ROUNDS; round += 1) {
      bench.before = await store.head();
      rates.plain.push(deliveries / await plainPipeline(redis, posts));
      rates.bare.push(deliveries / await bareFunction(bench, posts));
      await makeFeeds(bench);
      await publish(store, await makePosts(bench, posts.map(({ id }) => id)));
      rates.whole.push(deliveries / await project(bench));
      await makeFeeds(bench);
      await models.pool.query('update projections.lane set position = $1', [bench.before]);
      rates.lanes.push(deliveries / await project(bench));
    }
    const live = await liveTimes(bench, authors);
    return { graph: graph.name, deliveries, plain: best(rates.plain), bare: best(rates.bare), whole: best(rates.whole), lanes: best(rates.lanes), ...live };
  } finally {
    redis.disconnect();
    await server.close();
    await models.close();
    await store.close();
    await node.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

type Bench = { readonly models: Models; readonly store: EventStore; readonly redis: Redis; readonly urls: readonly [string, string, string]; readonly viewers: readonly AccountId[]; before?: string };
type Author = { readonly id: AccountId; readonly viewers: readonly AccountId[] };

const seconds = (since: number) => (performance.now() - since) / 1_000;
const best = (rates: readonly number[]) => Math.max(...rates);

/** What one would write first: for each follower a ZADD and a trim, pipelined. */
async function plainPipeline(redis: Redis, posts: readonly Author[]): Promise<number> {
  await redis.flushdb();
  const since = performance.now();
  const underWay = new Set<Promise<unknown>>();
  let pipeline = redis.pipeline();
  let queued = 0;
  const send = async () => {
    const sent: Promise<unknown> = pipeline.exec().finally(() => underWay.delete(sent));
    underWay.add(sent);
    pipeline = redis.pipeline();
    queued = 0;
    if (underWay.size >= 4) await Promise.race(underWay);
  };
  for (const [i, { viewers }] of posts.entries()) {
    const id = newId.post();
    for (const viewer of viewers) {
      const key = `feed:${viewer}`;
      pipeline.zadd(key, 1_700_000_000_000 + i, id).zremrangebyrank(key, 0, -501);
      queued += 1;
      if (queued >= 500) await send();
    }
  }
  await send();
  await Promise.all(underWay);
  return seconds(since);
}

/** The server-side function alone, 1,000 indexes a call. */
async function bareFunction(bench: Bench, posts: readonly Author[]): Promise<number> {
  const { indexes, keyOf } = await makeFeeds(bench);
  const writer = { lane: 0, epoch: 1 };
  await indexes.takeOver(writer, START_OF_LOG);
  const keyed = posts.map(({ viewers }) => viewers.map(keyOf));
  const changes = keyed.map((keys, i) => ({ keys, add: [{ id: newId.post(), score: 1_700_000_000_000 + i }], remove: [] }));
  const since = performance.now();
  await indexes.apply([writer], { entries: 500, slack: 0.1 }, changes);
  return seconds(since);
}

/** Empties Redis and makes a complete, empty feed for everybody, as if all had just read theirs. */
async function makeFeeds({ models, redis, viewers }: Bench) {
  await redis.flushdb();
  const prefix = models.builds.prefix('home-feed');
  const indexes = createSortedIndexes(redis, { prefix: `${prefix}:`, buckets: BUCKETS });
  const keyOf = keysOf(prefix, 'feed');
  for (let at = 0; at < viewers.length; at += 1_000) {
    await Promise.all(viewers.slice(at, at + 1_000).map(async (viewer) => {
      await indexes.lease(keyOf(viewer), 'bench', 60_000);
      await indexes.fill(keyOf(viewer), 'bench', { entries: [], cut: false }, 86_400_000);
    }));
  }
  return { indexes, keyOf };
}

type Post = { readonly postId: PostId; readonly authorId: AccountId; readonly publishedAt: string };

/** Posts that were made some time ago, so that the models have them already. */
async function makePosts({ models: { pool, builds } }: Bench, authors: readonly AccountId[]): Promise<Post[]> {
  const now = Date.now();
  const posts = authors.map((authorId, i) => ({ postId: newId.post(), authorId, publishedAt: new Date(now - 3_600_000 + i).toISOString() }));
  await inPortions(posts, async (some) => {
    await pool.query(
      `insert into ${builds.schema('posts')}.post (post_id, author_id, caption, comments_disabled, status, created_at)
       select id, author, 'A picture of the day', false, 'processing', at from unnest($1::text[], $2::text[], $3::timestamptz[]) as t (id, author, at)`,
      [some.map(({ postId }) => postId), some.map(({ authorId }) => authorId), some.map(({ publishedAt }) => publishedAt)],
    );
  });
  return posts;
}

async function publish(store: EventStore, posts: readonly Post[]): Promise<void> {
  const events = posts.map((data) => stored('PostPublished', data.authorId, data.publishedAt, data));
  for (let at = 0; at < events.length; at += 400) await store.append(`bench-${crypto.randomUUID()}`, 'no_stream', events.slice(at, at + 400));
}

function stored(type: string, owner: string, occurredAt: string, data: NewEvent['data']): NewEvent {
  return { id: crypto.randomUUID(), type, data, metadata: { $correlationId: 'bench', $causationId: 'bench', commandId: crypto.randomUUID(), actorId: 'system', owners: [owner], occurredAt, schemaVersion: 1 } };
}

/** Lets a projector that runs already feed models and lanes, and waits until the home feed's lanes have passed the head; gives the seconds that it took. */
async function project(bench: Bench): Promise<number> {
  const { pool } = bench.models;
  const head = await bench.store.head();
  for (const { name } of [...postgresProjections, ...laneProjections]) await writeSetting(pool, name, { paused: true });
  const child = await startProjector(bench);
  await go(child);
  const since = performance.now();
  await pool.query(`update projections.setting set paused = false; notify ${BUILDS_CHANNEL}`);
  await whenPassed(bench, head, 20);
  const took = seconds(since);
  await stop(child);
  return took;
}

async function startProjector({ urls }: Bench): Promise<ChildProcess> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('feed/projector.child.ts', import.meta.url)), ...urls], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

async function go(child: ChildProcess): Promise<void> {
  if (child.stdin === null || child.stdout === null) return;
  const ready = once(child.stdout, 'data');
  child.stdin.write('go\n');
  await ready;
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

async function whenPassed({ models: { pool, builds } }: Bench, position: string, everyMs: number): Promise<void> {
  for (;;) {
    const { rows } = await pool.query<{ low: string | null; lanes: number }>('select min(position) as low, count(*)::int as lanes from projections.lane where build_id = $1', [builds.id('home-feed')]);
    if (rows[0]?.lanes === 32 && (rows[0].low ?? '') >= position) return;
    await delay(everyMs);
  }
}

type Live = Pick<Measured, 'slowestMs' | 'slowestAudience' | 'freshP50' | 'freshP99'>;

/** How soon posts show while a projector follows the log: single ones by the authors with most followers, then 50 a second by anybody. */
async function liveTimes(bench: Bench, authors: readonly Author[]): Promise<Live> {
  const { keyOf } = await makeFeeds(bench);
  const child = await startProjector(bench);
  await go(child);
  await whenPassed(bench, await bench.store.head(), 20);
  await delay(500);
  const largest = authors.toSorted((a, b) => b.viewers.length - a.viewers.length).slice(0, 20);
  let slowestMs = 0;
  for (const author of largest) {
    const [time = 0] = await timesToShow(bench, keyOf, [author]);
    slowestMs = Math.max(slowestMs, time);
    await delay(50);
  }
  const anybody = Array.from({ length: POSTS_A_SECOND * FRESHNESS_SECONDS }, (_, i) => authors[(i * 7_919) % authors.length]).filter((one) => one !== undefined);
  const times = (await timesToShow(bench, keyOf, anybody)).sort((a, b) => a - b);
  await stop(child);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0;
  return { slowestMs, slowestAudience: largest[0]?.viewers.length ?? 0, freshP50: at(0.5), freshP99: at(0.99) };
}

/** Publishes a post of each author, 50 a second; for each the time from its append to the feed of its last follower, in ms. */
async function timesToShow(bench: Bench, keyOf: (viewer: string) => string, authors: readonly Author[]): Promise<number[]> {
  const last = new Map(authors.map(({ id, viewers }) => [id, keyOf(viewers.toSorted().at(-1) ?? '')]));
  const posts = await makePosts(bench, authors.map(({ id }) => id));
  const times: number[] = [];
  const begin = performance.now();
  await Promise.all(posts.map(async (post, i) => {
    await delay(Math.max(0, begin + i * 1_000 / POSTS_A_SECOND - performance.now()));
    const since = performance.now();
    await publish(bench.store, [post]);
    while (await bench.redis.zscore(last.get(post.authorId) ?? '', post.postId) === null && performance.now() - since < 10_000) await delay(2);
    times.push(performance.now() - since);
  }));
  return times;
}

function rowOf(one: Measured): string {
  const rate = (value: number) => Math.round(value / 1_000).toLocaleString('en');
  const mark = (met: boolean) => (met ? '✓' : '✗');
  const [plain, bare] = [one.whole / one.plain, one.whole / one.bare];
  return `| ${one.graph} | ${one.deliveries.toLocaleString('en')} | ${rate(one.plain)} | ${rate(one.bare)} | ${rate(one.lanes)} | ${rate(one.whole)} | ${plain.toFixed(2)} ${mark(plain >= BARS.plain)} | ${bare.toFixed(2)} ${mark(bare >= BARS.bare)} | ${one.slowestMs.toFixed(0)} (${one.slowestAudience.toLocaleString('en')}) ${mark(one.slowestMs < BARS.slowestMs)} | ${one.freshP50.toFixed(0)} / ${one.freshP99.toFixed(0)} ${mark(one.freshP99 < BARS.freshP99)} |`;
}

function describe(measured: readonly Measured[]): string {
  const rows = measured.map(rowOf);
  return `# Fan-out

Deliveries of posts to followers' feeds, in thousands a second (best of ${String(ROUNDS)} rounds in turns, ${String(cpus().length)} cores, everything on one machine).
Each author publishes posts that were made before. "Whole" is from the events (PostPublished) in the log, through the PostgreSQL models, to all feeds; "lanes" the same with the models ready.
The plain pipeline (ZADD and trim for each follower) and the bare function (1,000 indexes a call) have the audience in memory and know no log.

| graph | deliveries | plain | bare | lanes | whole | whole / plain (≥ ${String(BARS.plain)}) | whole / bare (≥ ${String(BARS.bare)}) | slowest post, ms (followers) < ${String(BARS.slowestMs)} | ${String(POSTS_A_SECOND)} posts/s, ms to show, p50 / p99 < ${String(BARS.freshP99)} |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
${rows.join('\n')}

Run it with \`npm run bench fan-out\`; it wants the graphs of the shared data folder.
`;
}
