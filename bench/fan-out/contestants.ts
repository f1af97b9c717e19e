import { START_OF_LOG } from '../../domain/position.ts';
import { newId } from '../../infra/ids.ts';
import { makeFeeds, oldEntries, type Author, type Bench } from './world.ts';

/** Where the posts of a round stand: behind all that feeds hold. */
const newest = Date.now() - 3_600_000;
const secondsSince = (since: number) => (performance.now() - since) / 1_000;

/** What one would write first: for each follower a ZADD and a trim, pipelined. */
export async function plainPipeline(bench: Bench, posts: readonly Author[]): Promise<number> {
  const { redis } = bench;
  await redis.flushdb();
  const old = oldEntries(bench).flatMap(({ id, score }) => [score, id]);
  for (const viewer of bench.viewers) await redis.zadd(`feed:${viewer}`, ...old);
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
      pipeline.zadd(key, newest + i, id).zremrangebyrank(key, 0, -501);
      queued += 1;
      if (queued >= 500) await send();
    }
  }
  await send();
  await Promise.all(underWay);
  return secondsSince(since);
}

/** The server-side function alone, 1,000 indexes a call. */
export async function bareFunction(bench: Bench, posts: readonly Author[]): Promise<number> {
  const { indexes, keyOf } = await makeFeeds(bench);
  const writer = { lane: 0, epoch: 1 };
  await indexes.takeOver(writer, START_OF_LOG);
  const keyed = posts.map(({ viewers }) => viewers.map(keyOf));
  const changes = keyed.map((keys, i) => ({ keys, add: [{ id: newId.post(), score: newest + i }], remove: [] }));
  const since = performance.now();
  await indexes.apply([writer], { entries: 500, slack: 0.1 }, changes);
  return secondsSince(since);
}
