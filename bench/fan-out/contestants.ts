import { START_OF_LOG } from '../../domain/position.ts';
import { newId } from '../../infra/ids.ts';
import { usedBetween, type Cpu } from './cpu.ts';
import { makeFeeds, oldEntries, type Author, type Bench } from './world.ts';

/** Where the posts of a round stand: behind all that feeds hold. */
const newest = Date.now() - 3_600_000;

/** What a contestant took. */
export type Taken = { readonly seconds: number; readonly cpu: Cpu };

/** Takes the time and the CPU time from now on. */
function watch(bench: Bench): () => Taken {
  const before = bench.cpu();
  const since = performance.now();
  return () => ({ seconds: (performance.now() - since) / 1_000, cpu: usedBetween(before, bench.cpu()) });
}

/** What one would write first: for each follower a ZADD and a trim, pipelined. */
export async function plainPipeline(bench: Bench, posts: readonly Author[]): Promise<Taken> {
  const { redis } = bench;
  await redis.flushdb();
  const old = oldEntries(bench).flatMap(({ id, score }) => [score, id]);
  for (let at = 0; at < bench.viewers.length; at += 500) {
    const filling = redis.pipeline();
    for (const viewer of bench.viewers.slice(at, at + 500)) filling.zadd(`feed:${viewer}`, ...old);
    await filling.exec();
  }
  const taken = watch(bench);
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
      pipeline.zadd(key, newest + i, id).zremrangebyrank(key, 0, -501);
      queued += 1;
      if (queued >= 500) await send();
    }
  }
  await send();
  await Promise.all(underWay);
  return taken();
}

/** The server-side function alone, 1,000 indexes a call. */
export async function bareFunction(bench: Bench, posts: readonly Author[]): Promise<Taken> {
  const { indexes, keyOf } = await makeFeeds(bench);
  const writer = { lane: 0, epoch: 1 };
  await indexes.takeOver([{ ...writer, mark: START_OF_LOG }]);
  const keyed = posts.map(({ viewers }) => viewers.map(keyOf));
  const changes = keyed.map((keys, i) => ({ keys, add: [{ id: newId.post(), score: newest + i }], remove: [] }));
  const taken = watch(bench);
  await indexes.apply([writer], { entries: 500, slack: 0.1 }, changes);
  return taken();
}
