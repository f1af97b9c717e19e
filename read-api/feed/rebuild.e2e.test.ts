import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AccountId, PostId, StoryId } from '../../domain/ids.ts';
import { openPool, type Pool } from '../../infra/postgres.ts';
import { listBuilds, quoted, type Build } from '../../projections/builds/build-store.ts';
import { allProjections, codeVersions, laneProjections } from '../../projections/catalog.ts';
import { celebrityIndexes } from '../../projections/feeds/celebrity-posts.ts';
import { homeFeeds } from '../../projections/feeds/home-feed.ts';
import { keysOf } from '../../projections/lane-keys.ts';
import { rebuild } from '../../projections/rebuild/rebuild.ts';
import { celebrityStories, storyTrays } from '../../projections/feeds/story-tray.ts';
import { verifyLanes } from '../../projections/rebuild/verify-lanes.ts';
import { openFeedWorld, type FeedWorld } from '../../testing/feed-world.ts';
import { happened } from '../../testing/projection-spec.ts';
import { eventually } from '../../testing/projector-world.ts';

// Goal: a reader in a loop sees each answer made of the builds before a rebuild or of those after it, never of both.
// Method: the builds that are live are damaged in each of their kinds of keys and in a counter, so that an answer tells
// which builds it was made of; what is posted meanwhile has to be in the answers of both.
const LIMIT_MS = 180_000;
const ROUNDS = 2;
const DAMAGED_LIKES = 77;

let world: FeedWorld;
let pool: Pool;
let rebuilding: AbortController;
let friend: AccountId;
let star: AccountId;
let viewer: AccountId;
beforeAll(async () => {
  world = await openFeedWorld();
  pool = openPool(world.databaseUrl, { size: 18, name: 'rebuild-e2e', synchronousCommit: false });
  rebuilding = new AbortController();
  friend = await world.person('friend');
  star = await world.person('star');
  viewer = await world.person('viewer');
  await world.follow(viewer, friend);
  await world.follow(viewer, star);
  await world.tell(happened('CelebrityStatusGranted', { accountId: star, followerCount: 10_000, threshold: 10_000 }));
}, LIMIT_MS);
afterAll(async () => {
  rebuilding.abort();
  await pool.end();
  await world.close();
});

type Posts = { posts: { post_id: PostId; like_count: number }[] };
type Trays = { stories: { items: { story_id: StoryId }[] }[] };

/**
 * What the test tells of builds apart by: posts and stories that the damaged builds lack, and a counter that they have
 * wrong.
 */
type Marks = { readonly posts: readonly PostId[]; readonly stories: readonly StoryId[]; readonly liked: PostId };
type Generation = 'before' | 'after';

async function makeMarks(): Promise<Marks> {
  const liked = await world.post(friend);
  await world.tell(happened('PostLiked', { postId: liked, authorId: friend, accountId: viewer }));
  return {
    liked,
    posts: [await world.post(friend), await world.post(star)],
    stories: [await world.story(friend), await world.story(star)],
  };
}

const liveBuilds = async () =>
  new Map(
    (await listBuilds(world.pool))
      .filter(({ state }) => state === 'live')
      .map((build): [string, Build] => [build.projection, build]),
  );

async function damage({ posts: [pushed, pulled], stories: [pushedStory, pulledStory], liked }: Marks): Promise<void> {
  const builds = await liveBuilds();
  const placed = (projection: string, kind: string, owner: AccountId) =>
    keysOf(builds.get(projection)!.location, kind)(owner);
  const removed = await Promise.all([
    world.redis.zrem(placed('home-feed', homeFeeds.keys, viewer), pushed!),
    world.redis.zrem(placed('celebrity-posts', celebrityIndexes.keys, star), pulled!),
    world.redis.zrem(placed('story-tray', storyTrays.keys, viewer), pushedStory!),
    world.redis.zrem(placed('story-tray', celebrityStories.keys, star), pulledStory!),
  ]);
  expect(removed).toEqual([1, 1, 1, 1]);
  const { rowCount } = await world.pool.query(
    `update ${quoted(builds.get('likes')!.location)}.like_count set likes = $2 where post_id = $1`,
    [liked, DAMAGED_LIKES],
  );
  expect(rowCount).toBe(1);
}

/** The generation that all of these say, or what they say if they do not agree. */
function agreed(signs: readonly boolean[], what: string): Generation {
  if (signs.every(Boolean)) return 'after';
  if (!signs.some(Boolean)) return 'before';
  throw new Error(`an answer mixes builds: ${what} ${JSON.stringify(signs)}`);
}

/** Reads one page, from Redis and whole, and tells which builds it was made of. */
async function readOnce(path: string, marks: Marks, posted: ReadonlySet<string>, token: boolean): Promise<Generation> {
  const before = [...posted];
  const { status, headers, body } = await world.get(path, viewer, token ? {} : { 'Consistency-Token': '' });
  expect({ status, quality: headers.get('x-feed-quality'), cache: headers.get('x-cache-status') }).toEqual({
    status: 200,
    quality: 'normal',
    cache: 'hit',
  });
  const tray = path.includes('stories');
  const shown = new Map<string, number>(
    tray
      ? (body as Trays).stories.flatMap(({ items }) => items).map(({ story_id }) => [story_id, 0])
      : (body as Posts).posts.map(({ post_id, like_count }) => [post_id, like_count]),
  );
  const sure = token && headers.get('x-consistency') === null ? before : [];
  expect({ path, missing: sure.filter((id) => !shown.has(id)) }).toEqual({ path, missing: [] });
  if (tray)
    return agreed(
      marks.stories.map((id) => shown.has(id)),
      path,
    );
  return agreed([...marks.posts.map((id) => shown.has(id)), shown.get(marks.liked) !== DAMAGED_LIKES], path);
}

type Reading = {
  readonly path: string;
  readonly kind: 'posts' | 'stories';
  readonly token: boolean;
  readonly seen: Generation[];
};

const loops = (): Reading[] =>
  [true, false].flatMap(
    (token) =>
      [
        { path: '/v1/feed?order=latest&limit=100', kind: 'posts', token, seen: [] },
        { path: '/v1/feed?limit=100', kind: 'posts', token, seen: [] },
        { path: '/v1/stories/feed?limit=100', kind: 'stories', token, seen: [] },
      ] satisfies Reading[],
  );

it(
  'shows readers in a loop the whole of one generation of builds in both stores, filled, while live projecting goes on',
  async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const marks = await makeMarks();
      const posted = { posts: new Set<string>([marks.liked]), stories: new Set<string>([await world.story(friend)]) };
      for (const { path } of loops()) await world.get(path, viewer);
      await world.settled();
      await damage(marks);
      const before = await liveBuilds();
      const readings = loops();
      let reading = true;
      const going = Promise.all([
        ...readings.map(async ({ path, kind, token, seen }) => {
          while (reading) seen.push(await readOnce(path, marks, posted[kind], token));
        }),
        (async () => {
          for (let i = 0; reading; i += 1) {
            const author = i % 2 === 0 ? friend : star;
            posted.posts.add(await world.post(author));
            posted.stories.add(await world.story(author));
          }
        })(),
      ]).finally(() => {
        reading = false;
      });
      going.catch(() => undefined);
      const readOn = async (generation: Generation) => {
        const from = readings.map(({ seen }) => seen.length);
        const told = posted.posts.size;
        await eventually(
          `every reader reads the builds ${generation} the rebuild, while posts come`,
          () =>
            !reading ||
            (posted.posts.size > told + 1 &&
              readings.every(({ seen }, i) => seen.slice(from[i]).filter((one) => one === generation).length > 1)),
        );
      };
      await rebuild(
        { ...world, pool, versions: codeVersions, redis: () => Promise.resolve(world.redis) },
        {
          projections: allProjections,
          onPoison: 'stop',
          signal: rebuilding.signal,
          report: () => undefined,
          check: () => readOn('before'),
        },
      );
      await readOn('after');
      // While posts still come: nothing that came during the switch is missing from the new builds.
      for (const projection of laneProjections) {
        const { differences } = await verifyLanes({ ...world, versions: codeVersions }, projection, {
          signal: rebuilding.signal,
          report: () => undefined,
        });
        expect(differences).toEqual([]);
      }
      reading = false;
      await going;
      for (const { seen } of readings) expect(seen.indexOf('after')).toBe(seen.lastIndexOf('before') + 1);
      const after = await liveBuilds();
      for (const { name } of allProjections) expect(after.get(name)!.id).toBeGreaterThan(before.get(name)!.id);
    }
  },
  LIMIT_MS,
);
