import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FEED } from '../../domain/limits.ts';
import type { AccountId, PostId } from '../../domain/ids.ts';
import { openFeedWorld, type FeedWorld } from '../../testing/feed-world.ts';
import { happened } from '../../testing/projection-spec.ts';
import { emptyRedis, keysIn } from '../../testing/redis-contents.ts';

// Goal: readers find the posts of celebrities whatever moment of a change of status they come at, in bounded work.
// Method: two followers make a super celebrity here; of those one index is kept, for as long as the test runs.
let world: FeedWorld;
beforeAll(async () => {
  world = await openFeedWorld({ superCelebrityFrom: 2, superCelebritiesKept: { most: 1, ms: 600_000 } });
});
afterAll(() => world.close());

let people = 0;
const person = () => world.person(`person${String((people += 1))}`);
const post = (author: AccountId, minutes: number) =>
  world.post(author, { publishedAt: new Date(Date.now() - minutes * 60_000).toISOString() });
const grant = (star: AccountId) =>
  world.tell(happened('CelebrityStatusGranted', { accountId: star, followerCount: 10_000, threshold: 10_000 }));
const latest = async (viewer: AccountId, headers?: Record<string, string>) =>
  (await world.feed(viewer, '?order=latest&limit=100', headers === undefined ? {} : { headers })).ids;
async function viewerOf(...authors: AccountId[]): Promise<AccountId> {
  const viewer = await person();
  for (const author of authors) await world.follow(viewer, author);
  return viewer;
}

it('are pulled from the moment they are one, given back afterwards, and no post is missing or doubled in between', async () => {
  const star = await person();
  const viewers = [await viewerOf(star), await viewerOf(star)];
  const expected: PostId[] = [];
  const expectAll = async () => {
    for (const viewer of viewers) expect(await latest(viewer)).toEqual(expected.toReversed());
  };
  const say = async (minutes: number) => {
    expected.push(await post(star, minutes));
  };
  await say(60);
  await expectAll();
  await grant(star);
  await expectAll();
  await say(50);
  await expectAll();
  viewers.push(await viewerOf(star));
  await expectAll();
  await world.tell(happened('CelebrityStatusRevoked', { accountId: star, followerCount: 8_999, threshold: 9_000 }));
  await expectAll();
  await say(40);
  await expectAll();
  await world.settled();
  await emptyRedis(world.redis);
  await expectAll();
});

it('are merged up to fifty, those with the newest posts', async () => {
  const stars: AccountId[] = [];
  for (let i = 0; i < FEED.celebritiesMerged + 2; i += 1) stars.push(await person());
  const posts: PostId[] = [];
  for (const [i, star] of stars.entries()) {
    await grant(star);
    posts.push(await post(star, 1_000 - i));
  }
  const ordinary = await person();
  const own = await post(ordinary, 2_000);
  const viewer = await viewerOf(...stars, ordinary);
  expect(await latest(viewer)).toEqual([...posts.slice(2).toReversed(), own]);
});

describe('super celebrities', () => {
  const withoutToken = { 'Consistency-Token': '' };
  const keysOf = async (star: AccountId) => keysIn(world.redis, `*:celebrity_posts:*:${star}`);

  it('have their index kept in the process, as many as are allowed, unless a token asks for more', async () => {
    const stars = [await person(), await person()];
    const viewers = [];
    for (const star of stars) {
      const fans = [await viewerOf(star), await viewerOf(star)];
      await grant(star);
      viewers.push(fans[0]!);
    }
    const [first, second] = [await post(stars[0]!, 20), await post(stars[1]!, 10)];
    await world.settled();
    expect(await latest(viewers[0]!, withoutToken)).toEqual([first]);
    await world.redis.del(await keysOf(stars[0]!));
    expect(await latest(viewers[0]!, withoutToken)).toEqual([first]);
    expect(await keysOf(stars[0]!)).toEqual([]);
    expect(await latest(viewers[0]!)).toEqual([first]);
    expect(await keysOf(stars[0]!)).toHaveLength(1);
    // The other one takes the only place.
    expect(await latest(viewers[1]!, withoutToken)).toEqual([second]);
    await world.redis.del(await keysOf(stars[0]!));
    expect(await latest(viewers[0]!, withoutToken)).toEqual([first]);
    expect(await keysOf(stars[0]!)).toHaveLength(1);
  });
});
