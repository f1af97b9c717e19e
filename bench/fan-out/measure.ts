import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { openEventStore } from '../../infra/event-store.ts';
import { createTestRedis } from '../../testing/redis.ts';
import { startServer } from '../event-store/processes.ts';
import { audiencesIn, type Graph } from '../feed/graph.ts';
import { createModels, writeGraph } from '../feed/models.ts';
import { bareFunction, plainPipeline } from './contestants.ts';
import { liveTimes, type Live } from './live.ts';
import { project } from './projecting.ts';
import { makeFeeds, makePosts, oldEntries, publish, type Bench } from './world.ts';

const CELEBRITY_LINE = 10_000;
const DELIVERIES = 600_000;
export const ROUNDS = 3;

/** Rates in deliveries a second, the best of all rounds. */
export type Measured = Live & { readonly graph: string; readonly held: number; readonly deliveries: number; readonly plain: number; readonly bare: number; readonly whole: number; readonly lanes: number };

const best = (rates: readonly number[]) => Math.max(...rates);

/** Measures all contestants in turns on one graph, then how soon single posts show. */
export async function measure(graph: Graph): Promise<Measured> {
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
      rates.plain.push(deliveries / await plainPipeline(bench, posts));
      rates.bare.push(deliveries / await bareFunction(bench, posts));
      await makeFeeds(bench);
      await publish(store, await makePosts(bench, posts.map(({ id }) => id)));
      rates.whole.push(deliveries / await project(bench));
      await makeFeeds(bench);
      await models.pool.query('update projections.lane set position = $1', [bench.before]);
      rates.lanes.push(deliveries / await project(bench));
    }
    const live = await liveTimes(bench, authors);
    return { graph: graph.name, held: oldEntries(bench).length, deliveries, plain: best(rates.plain), bare: best(rates.bare), whole: best(rates.whole), lanes: best(rates.lanes), ...live };
  } finally {
    redis.disconnect();
    await server.close();
    await models.close();
    await store.close();
    await node.stop();
    await rm(directory, { recursive: true, force: true });
  }
}
