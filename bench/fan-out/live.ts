import { setTimeout as delay } from 'node:timers/promises';
import { rest, resume, whenPassed } from './projecting.ts';
import { makeFeeds, makePosts, publish, type Author, type Bench } from './world.ts';

const POSTS_A_SECOND = 50;
const FRESHNESS_SECONDS = 10;
/** The slowest post is that of the best pass, as rates are those of the best round. */
const PASSES = 3;

/** Milliseconds from the append of a post to the feed of its last follower. */
export type Live = {
  readonly slowestMs: number;
  readonly slowestAudience: number;
  readonly freshP50: number;
  readonly freshP99: number;
};

/**
 * How soon posts show while a projector follows the log: single ones by the authors with most followers, then 50 a
 * second by anybody.
 */
export async function liveTimes(bench: Bench, authors: readonly Author[]): Promise<Live> {
  const { keyOf } = await makeFeeds(bench);
  await resume(bench);
  await whenPassed(bench, await bench.store.head(), 20);
  await delay(500);
  const largest = authors.toSorted((a, b) => b.viewers.length - a.viewers.length).slice(0, 20);
  const slowest: number[] = [];
  for (let pass = 0; pass < PASSES; pass += 1) slowest.push(await slowestOf(bench, keyOf, largest));
  const anybody = Array.from(
    { length: POSTS_A_SECOND * FRESHNESS_SECONDS },
    (_, i) => authors[(i * 7_919) % authors.length],
  ).filter((one) => one !== undefined);
  const times = (await timesToShow(bench, keyOf, anybody)).sort((a, b) => a - b);
  await rest(bench);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0;
  return {
    slowestMs: Math.min(...slowest),
    slowestAudience: largest[0]?.viewers.length ?? 0,
    freshP50: at(0.5),
    freshP99: at(0.99),
  };
}

/** The longest that a post of one of some authors takes, each published after the one before it shows. */
async function slowestOf(bench: Bench, keyOf: (viewer: string) => string, authors: readonly Author[]): Promise<number> {
  let slowest = 0;
  for (const author of authors) {
    const [time = 0] = await timesToShow(bench, keyOf, [author]);
    slowest = Math.max(slowest, time);
    await delay(50);
  }
  return slowest;
}

/**
 * Publishes a post of each author, 50 a second; for each the time from its append to the feed of its last follower, in
 * ms.
 */
async function timesToShow(
  bench: Bench,
  keyOf: (viewer: string) => string,
  authors: readonly Author[],
): Promise<number[]> {
  const last = new Map(authors.map(({ id, viewers }) => [id, keyOf(viewers.toSorted().at(-1) ?? '')]));
  const posts = await makePosts(
    bench,
    authors.map(({ id }) => id),
  );
  const times: number[] = [];
  const begin = performance.now();
  await Promise.all(
    posts.map(async (post, i) => {
      await delay(Math.max(0, begin + (i * 1_000) / POSTS_A_SECOND - performance.now()));
      const since = performance.now();
      await publish(bench.store, [post]);
      while (
        (await bench.redis.zscore(last.get(post.authorId) ?? '', post.postId)) === null &&
        performance.now() - since < 10_000
      )
        await delay(2);
      times.push(performance.now() - since);
    }),
  );
  return times;
}
