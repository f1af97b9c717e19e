import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, PostId } from '../../domain/ids.ts';
import { startTelemetry, type Telemetry } from '../../infra/process/telemetry.ts';
import { openFeedWorld, type FeedWorld } from '../../testing/feed-world.ts';
import { happened } from '../../testing/projection-spec.ts';
import { emptyRedis } from '../../testing/redis-contents.ts';
import { openRedisProxy, type RedisProxy } from '../../testing/redis-proxy.ts';

// Goal: whatever cache is gone or slow, a feed is answered, and everything comes back without an operator.
// Method: readers reach Redis through a proxy that can be cut or slow; statements of feeds can be slow or fail.
let world: FeedWorld;
let proxy: RedisProxy;
let telemetry: Telemetry;
let scrape: Server;
beforeAll(async () => {
  telemetry = startTelemetry({ process: 'degradation-test' });
  scrape = createServer((request, response) => {
    telemetry.metricsHandler(request, response);
  }).listen(0, '127.0.0.1');
  await once(scrape, 'listening');
  world = await openFeedWorld({
    redisTimeoutMs: 300,
    circuitRestMs: 500,
    ranking: { budgetMs: 1_500, popularForMs: 0 },
    readerRedis: async (url) => {
      proxy = await openRedisProxy(url);
      return proxy.client();
    },
  });
});
afterAll(async () => {
  await world.close();
  await proxy.close();
  scrape.close();
  await telemetry.shutdown();
});
afterEach(async () => {
  Object.assign(world.trouble, { delayMs: 0, failing: undefined });
  world.load.saturation = 0;
  proxy.mend();
  const reader = await person();
  await expect.poll(async () => (await world.feed(reader, '?order=latest')).cache, { timeout: 30_000 }).toBe('hit');
});

const NO_TOKEN = { headers: { 'Consistency-Token': '' } };
let people = 0;
const person = () => world.person(`person${String((people += 1))}`);
const post = (author: AccountId, minutes = 1) =>
  world.post(author, { publishedAt: new Date(Date.now() - minutes * 60_000).toISOString() });
async function viewerOf(...authors: AccountId[]): Promise<AccountId> {
  const viewer = await person();
  for (const author of authors) await world.follow(viewer, author);
  return viewer;
}
async function circuit(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${String((scrape.address() as AddressInfo).port)}/metrics`)).text();
  return Number(/circuit_open\{[^}]*circuit="feed-redis"[^}]*\} (\S+)/.exec(text)?.[1]);
}

describe('a cold feed', () => {
  it('is computed once, however many ask for it at the same time', async () => {
    const ann = await person();
    const viewer = await viewerOf(ann);
    const only = await post(ann);
    const before = world.computed.feeds;
    const answers = await Promise.all(Array.from({ length: 500 }, () => world.feed(viewer, '?order=latest')));
    expect(answers.every(({ status, ids }) => status === 200 && ids[0] === only)).toBe(true);
    expect(world.computed.feeds - before).toBe(1);
  }, 120_000);

  it('is computed again after Redis was emptied, for one who comes back after a long time too', async () => {
    const ann = await person();
    const viewer = await viewerOf(ann);
    const first = await post(ann, 5);
    expect(await world.feed(viewer, '?order=latest')).toMatchObject({ ids: [first] });
    await emptyRedis(world.redis);
    const second = await post(ann, 1);
    expect(await world.feed(viewer, '?order=latest')).toMatchObject({
      status: 200,
      ids: [second, first],
      cache: 'miss',
      quality: 'normal',
    });
    expect(await world.feed(viewer, '?order=latest')).toMatchObject({ ids: [second, first], cache: 'hit' });
  });
});

describe('without Redis', () => {
  it('feeds and trays are computed, the circuit opens, and all goes back to Redis by itself', async () => {
    const ann = await person();
    const viewer = await viewerOf(ann);
    const only = await post(ann);
    const story = await world.story(ann, { publishedAt: new Date(Date.now() - 60_000) });
    expect(await world.feed(viewer, '?order=latest')).toMatchObject({ status: 200, ids: [only] });
    expect(await circuit()).toBe(0);
    proxy.cut();
    for (let i = 0; i < 8; i += 1) {
      expect(await world.feed(viewer, '?order=latest')).toMatchObject({
        status: 200,
        ids: [only],
        cache: 'miss',
        quality: 'normal',
      });
      expect(await world.feed(viewer)).toMatchObject({ status: 200, ids: [only], cache: 'miss', quality: 'normal' });
    }
    expect(await circuit()).toBeGreaterThan(0);
    const tray = await world.get('/v1/stories/feed', viewer);
    expect(tray).toMatchObject({ status: 200, body: { stories: [{ items: [{ story_id: story }] }] } });
    expect(tray.headers.get('x-cache-status')).toBe('miss');
    proxy.mend();
    await expect.poll(async () => (await world.feed(viewer, '?order=latest')).cache, { timeout: 30_000 }).toBe('hit');
    expect(await circuit()).toBe(0);
  });

  it('a crowd of readers still costs one computation', async () => {
    const ann = await person();
    const viewer = await viewerOf(ann);
    const only = await post(ann);
    proxy.cut();
    for (let i = 0; i < 6; i += 1) await world.feed(ann, '?order=latest');
    const before = world.computed.feeds;
    // They wait together for the computation that is under way.
    world.trouble.delayMs = 1_000;
    const answers = await Promise.all(Array.from({ length: 100 }, () => world.feed(viewer, '?order=latest', NO_TOKEN)));
    expect(answers.every(({ status, ids }) => status === 200 && ids[0] === only)).toBe(true);
    expect(world.computed.feeds - before).toBe(1);
    expect(new Set(answers.map(({ cache }) => cache)).has('hit')).toBe(false);
  }, 60_000);

  it('later pages go on in the order of the first', async () => {
    const authors = await Promise.all([person(), person(), person()]);
    const viewer = await viewerOf(...authors);
    for (let i = 0; i < 9; i += 1) await post(authors[i % 3]!, i + 1);
    const first = await world.feed(viewer, '?limit=4');
    proxy.cut();
    const second = await world.feed(viewer, `?limit=4&cursor=${first.next ?? ''}`);
    expect(second).toMatchObject({ status: 200, session: first.session, quality: 'normal' });
    expect(new Set([...first.ids, ...second.ids]).size).toBe(8);
  });
});

it('answers while Redis takes two seconds for each reply', async () => {
  const ann = await person();
  const viewer = await viewerOf(ann);
  const only = await post(ann);
  proxy.slow(2_000);
  for (let i = 0; i < 8; i += 1)
    expect(await world.feed(viewer, '?order=latest')).toMatchObject({ status: 200, ids: [only], cache: 'miss' });
  expect(await circuit()).toBeGreaterThan(0);
});

it('answers while PostgreSQL is slow, by time alone when what ranking needs is late', async () => {
  const [ann, ben] = [await person(), await person()];
  const viewer = await viewerOf(ann, ben);
  const posts = [await post(ann, 3), await post(ben, 2), await post(ann, 1)].toReversed();
  world.trouble.delayMs = 2_000;
  expect(await world.feed(viewer)).toMatchObject({ status: 200, ids: posts, quality: 'degraded' });
  world.trouble.delayMs = 0;
  expect(await world.feed(viewer)).toMatchObject({ status: 200, quality: 'normal' });
});

it.each([
  ['ranking', 'post_signals', 'degraded'],
  ['the taste of the viewer', 'viewer_taste', 'normal'],
  ['recommending', 'recommendable', 'normal'],
])('shows all posts when %s throws', async (_what, failing, quality) => {
  const authors = await Promise.all(Array.from({ length: 10 }, person));
  const viewer = await viewerOf(...authors);
  const posts: PostId[] = [];
  for (const [i, author] of authors.entries()) posts.push(await post(author, i + 1));
  world.trouble.failing = failing;
  const answer = await world.feed(viewer);
  expect(answer).toMatchObject({ status: 200, quality });
  const own = answer.ids.filter((id) => posts.includes(id as PostId));
  expect(quality === 'degraded' ? own : own.toSorted()).toEqual(quality === 'degraded' ? posts : posts.toSorted());
  world.trouble.failing = undefined;
  expect(await world.feed(viewer)).toMatchObject({ status: 200, quality: 'normal' });
});

describe('the last order of a viewer', () => {
  it('is shown again while there is too much to do, without what is gone, and not to one who sends a token', async () => {
    const [ann, ben] = [await person(), await person()];
    const viewer = await viewerOf(ann, ben);
    const [a, b, c] = [await post(ann, 3), await post(ben, 2), await post(ann, 1)];
    const before = await world.feed(viewer);
    const later = await post(ben, 0);
    await world.tell(happened('PostDeleted', { postId: a, authorId: ann }));
    await world.feed(ann);
    world.load.saturation = 0.96;
    const stale = await world.feed(viewer, '', NO_TOKEN);
    expect(stale).toMatchObject({
      status: 200,
      cache: 'stale',
      quality: 'degraded',
      session: before.session,
      ids: before.ids.filter((id) => id !== a),
    });
    expect((await world.feed(viewer)).ids.toSorted()).toEqual([b, c, later].toSorted());
    world.load.saturation = 0.94;
    expect(await world.feed(viewer, '', NO_TOKEN)).not.toMatchObject({ cache: 'stale' });
  });

  it('stands in when neither Redis nor the primary can give candidates', async () => {
    const ann = await person();
    const viewer = await viewerOf(ann);
    const only = await post(ann);
    await world.feed(viewer);
    proxy.cut();
    world.trouble.failing = 'as viewer (id)';
    expect(await world.feed(viewer, '', NO_TOKEN)).toMatchObject({
      status: 200,
      ids: [only],
      cache: 'stale',
      quality: 'degraded',
    });
  });
});
