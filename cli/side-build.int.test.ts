import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, PostId } from '../domain/ids.ts';
import type { Position } from '../domain/position.ts';
import { openVault } from '../infra/vault/vault.ts';
import { listBuilds } from '../projections/builds/build-store.ts';
import { codeVersions } from '../projections/catalog.ts';
import { homeFeed } from '../projections/feeds/home-feed.ts';
import { buildAside } from '../projections/rebuild/side-build.ts';
import { runCli } from '../testing/cli.ts';
import { aPost } from '../testing/facts.ts';
import { openFeedWorld, type FeedWorld } from '../testing/feed-world.ts';
import { happened } from '../testing/projection-spec.ts';
import { createTestRedis, type TestRedis } from '../testing/redis.ts';

const MASTER_KEY = Buffer.alloc(32, 5).toString('base64');
const DAY_MS = 86_400_000;
const LIMIT_MS = 120_000;

let world: FeedWorld;
let server: TestRedis;
let friend: AccountId;
let star: AccountId;
let viewer: AccountId;
let old: PostId;
let early: PostId;
let late: PostId;
let starPost: PostId;
let then: Position;
beforeAll(async () => {
  server = await createTestRedis();
  world = await openFeedWorld({ openServer: async () => server });
  await openVault({ pool: world.pool, masterKey: MASTER_KEY });
  friend = await world.person('friend');
  star = await world.person('star');
  viewer = await world.person('viewer');
  await world.follow(viewer, friend);
  await world.follow(viewer, star);
  await world.tell(happened('CelebrityStatusGranted', { accountId: star, followerCount: 10_000, threshold: 10_000 }));
  const ago = (ms: number) => ({ publishedAt: new Date(Date.now() - ms).toISOString() });
  old = await world.post(friend, ago(6 * DAY_MS));
  early = await world.post(friend, ago(DAY_MS));
  starPost = await world.post(star, ago(DAY_MS));
  await world.feed(viewer, '?order=latest');
  then = await world.store.head();
  await world.tell(
    aPost.deleted({ postId: early, authorId: friend }),
    happened('FollowEnded', { followerId: viewer, followeeId: star, reason: 'unfollowed' }),
  );
  late = await world.post(friend);
  await world.settled();
}, LIMIT_MS);
afterAll(() => world.close());

const shutterlog = (...args: string[]) =>
  runCli(
    {
      ...process.env,
      EVENTSTORE_URL: world.node.url,
      DATABASE_URL: world.databaseUrl,
      REDIS_URL: server.url,
      MASTER_KEY,
      JWT_SECRET: 'x'.repeat(40),
    },
    args,
  );

type Shown = { kind: string; of: string; entries: { id: string }[] };
type Made = { build: number; projection: string; store: string };

async function builtUntil(until: string): Promise<Map<string, number>> {
  const { code, out, err } = await shutterlog(
    'projections',
    'rebuild',
    'home-feed',
    'celebrity-posts',
    '--until',
    until,
    '--json',
  );
  expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
  return new Map((JSON.parse(out) as Made[]).map(({ projection, build }) => [projection, build]));
}
async function entriesOf(build: number, ...args: string[]): Promise<Record<string, string[]>> {
  const { out } = await shutterlog('projections', 'entries', '--build', String(build), ...args);
  const shown = out
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Shown);
  return Object.fromEntries(shown.map(({ kind, of, entries }) => [`${kind} ${of}`, entries.map(({ id }) => id)]));
}

/** Expects that the status says of some side builds that they stand at a place, and how many events came since. */
async function expectToStand(builds: readonly number[], place: Position): Promise<void> {
  const { out } = await shutterlog('projections', 'status', '--json');
  const shown = (
    JSON.parse(out) as { other_builds: { build: number; state: string; checkpoint: string; lag_events: number }[] }[]
  ).flatMap((one) => one.other_builds);
  const since: string[] = [];
  for await (const { id } of world.store.readAll({ after: place })) since.push(id);
  expect(since).not.toEqual([]);
  for (const build of builds)
    expect(shown).toContainEqual(
      expect.objectContaining({ build, state: 'side', checkpoint: place, lag_events: since.length }),
    );
  const { rows } = await world.pool.query<{ events: string }>(
    'select distinct c.events from projections.checkpoint c join projections.build b on b.id = c.build_id where b.state = $1',
    ['side'],
  );
  expect(rows).toEqual([{ events: expect.stringMatching(/^[1-9]/) }]);
}

describe('a side build of a model in Redis', () => {
  it(
    'holds the indexes as they were at a place of the log, whatever happened since, and nobody changes it',
    async () => {
      const builds = await builtUntil(then);
      const expected = { [`feed ${viewer}`]: [early, old], [`followed_celebrities ${viewer}`]: [star] };
      expect(await entriesOf(builds.get('home-feed')!)).toEqual(expected);
      expect(await entriesOf(builds.get('celebrity-posts')!)).toEqual({ [`celebrity_posts ${star}`]: [starPost] });
      await expectToStand([...builds.values()], then);
      const live = (await listBuilds(world.pool, 'home-feed')).find(({ state }) => state === 'live')!;
      expect(await entriesOf(live.id, '--of', viewer)).toMatchObject({ [`feed ${viewer}`]: [late, old] });
      late = await world.post(friend);
      await world.settled();
      expect(await entriesOf(builds.get('home-feed')!, '--of', viewer)).toEqual(expected);
      expect(await entriesOf(builds.get('home-feed')!, '--of', star)).toEqual({});
      for (const build of builds.values())
        expect((await shutterlog('projections', 'drop', String(build))).code).toBe(0);
      expect(
        (await world.redis.keys('*')).filter((key) => !key.startsWith(live.location) && key.startsWith('home_feed')),
      ).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    'sees windows of time as of its place, not as of today',
    async () => {
      const builds = await buildAside(
        { ...world, versions: codeVersions, redis: () => Promise.resolve(world.redis) },
        {
          projections: [homeFeed],
          until: { position: then, at: new Date(Date.now() + 2 * DAY_MS) },
          onPoison: 'stop',
          signal: new AbortController().signal,
          report: () => undefined,
        },
      );
      const idOf = (name: string) => builds.find(({ projection }) => projection === name)!.id;
      expect(await entriesOf(idOf('home-feed'), '--of', viewer)).toMatchObject({ [`feed ${viewer}`]: [early] });
      const wrong = [
        ['--build', '0'],
        ['--build', String(idOf('posts'))],
        ['--build', String(idOf('home-feed')), '--limit', 'many'],
      ];
      for (const args of wrong) expect((await shutterlog('projections', 'entries', ...args)).code).toBe(2);
    },
    LIMIT_MS,
  );
});
