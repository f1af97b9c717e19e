import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { openEventStore } from '../../infra/event-store/event-store.ts';
import { createTestRedis } from '../../testing/redis.ts';
import { startServer } from '../event-store/processes.ts';
import { audiencesIn, type Graph } from '../feed/graph.ts';
import { createModels, writeGraph } from '../feed/models.ts';
import { bareFunction, plainPipeline, type Taken } from './contestants.ts';
import { cpuMeter, mapped, PARTS, type Cpu } from './cpu.ts';
import { liveTimes, type Live } from './live.ts';
import { project, startProjector, stop } from './projecting.ts';
import { makeFeeds, makePosts, oldEntries, publish, type Bench } from './world.ts';

const CELEBRITY_LINE = 10_000;
const DELIVERIES = 600_000;
export const ROUNDS = 3;

/** Rates in deliveries a second, the best of all rounds. */
export type Measured = Live & {
  readonly graph: string;
  readonly held: number;
  readonly posts: number;
  readonly deliveries: number;
  readonly plain: number;
  readonly bare: number;
  readonly whole: number;
  readonly lanes: number;
  /** Microseconds of CPU time for each delivery, by who used them; in the round that used least. */
  readonly cpu: Readonly<Record<Contestant, Cpu>>;
};

export const CONTESTANTS = ['plain', 'bare', 'lanes', 'whole'] as const;
export type Contestant = (typeof CONTESTANTS)[number];

/** Measures all contestants in turns on one graph, then how soon single posts show. */
export async function measure(graph: Graph): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-fan-out-'));
  const node = await startServer('../../infra/event-store-node/main.ts', ['--port', '0', '--data-dir', directory]);
  const store = await openEventStore(node.url);
  const models = await createModels(store);
  const server = await createTestRedis();
  const redis = new Redis(server.url);
  let projector: ChildProcess | undefined;
  try {
    const audiences = audiencesIn(graph);
    const celebrities = new Set(graph.accounts.filter((_, i) => (audiences[i]?.length ?? 0) >= CELEBRITY_LINE));
    const authors = graph.accounts.flatMap((id, i) =>
      celebrities.has(id) || audiences[i]?.length === 0 ? [] : [{ id, viewers: audiences[i] ?? [] }],
    );
    const perRound = authors.reduce((sum, { viewers }) => sum + viewers.length, 0);
    const posts = Array.from({ length: Math.max(1, Math.round(DELIVERIES / perRound)) }, () => authors).flat();
    const deliveries = posts.reduce((sum, { viewers }) => sum + viewers.length, 0);
    console.log(
      `${graph.name}: ${String(graph.accounts.length)} accounts, ${String(graph.follows.length)} follows, ${String(posts.length)} posts, ${String(deliveries)} deliveries`,
    );
    await writeGraph(models, graph, celebrities);
    const cpu = await cpuMeter({ redis, models }, node.pid);
    const bench: Bench = {
      cpu,
      models,
      store,
      redis,
      urls: [node.url, models.url, server.url] as const,
      viewers: [...new Set(authors.flatMap(({ viewers }) => viewers))],
    };
    projector = await startProjector(bench);
    const taken: Record<Contestant, Taken[]> = { plain: [], bare: [], lanes: [], whole: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      bench.before = await store.head();
      taken.plain.push(await plainPipeline(bench, posts));
      taken.bare.push(await bareFunction(bench, posts));
      await makeFeeds(bench);
      await publish(
        store,
        await makePosts(
          bench,
          posts.map(({ id }) => id),
        ),
      );
      taken.whole.push(await project(bench, projector));
      await makeFeeds(bench);
      await models.pool.query('update projections.lane set position = $1', [bench.before]);
      taken.lanes.push(await project(bench, projector));
      console.log(CONTESTANTS.map((name) => said(name, taken[name].at(-1), deliveries)).join('\n'));
    }
    const live = await liveTimes(bench, authors);
    return {
      graph: graph.name,
      held: oldEntries(bench).length,
      posts: posts.length,
      deliveries,
      ...rates(taken, deliveries),
      ...live,
    };
  } finally {
    if (projector !== undefined) await stop(projector);
    redis.disconnect();
    await server.close();
    await models.close();
    await store.close();
    await node.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** The best rate of each contestant, and the CPU time of the round in which it used least. */
function rates(
  taken: Readonly<Record<Contestant, readonly Taken[]>>,
  deliveries: number,
): Pick<Measured, Contestant | 'cpu'> {
  const best = (name: Contestant) => Math.max(...taken[name].map(({ seconds }) => deliveries / seconds));
  const leanest = (name: Contestant) =>
    perDelivery(
      taken[name].map(({ cpu }) => cpu).reduce((least, cpu) => (sumOf(cpu) < sumOf(least) ? cpu : least)),
      deliveries,
    );
  return {
    plain: best('plain'),
    bare: best('bare'),
    lanes: best('lanes'),
    whole: best('whole'),
    cpu: { plain: leanest('plain'), bare: leanest('bare'), lanes: leanest('lanes'), whole: leanest('whole') },
  };
}

/** All parts together. */
export function sumOf(cpu: Cpu): number {
  return PARTS.reduce((sum, part) => sum + cpu[part], 0);
}

const perDelivery = (cpu: Cpu, deliveries: number) => mapped((part) => (cpu[part] * 1e6) / deliveries);

function said(name: Contestant, taken: Taken | undefined, deliveries: number): string {
  if (taken === undefined) return name;
  const cpu = perDelivery(taken.cpu, deliveries);
  return `  ${name}: ${taken.seconds.toFixed(2)} s; µs of CPU a delivery: ${PARTS.map((part) => `${part} ${cpu[part].toFixed(2)}`).join(', ')}, all ${sumOf(cpu).toFixed(2)}`;
}
