import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, PostId } from '../../domain/ids.ts';
import { newId } from '../../infra/ids.ts';
import { openFeedWorld, type FeedWorld } from '../../testing/feed-world.ts';
import { happened } from '../../testing/projection-spec.ts';
import { openTcpProxy, type TcpProxy } from '../../testing/tcp-proxy.ts';

let world: FeedWorld;
let proxy: TcpProxy;
beforeAll(async () => {
  world = await openFeedWorld({
    redisTimeoutMs: 300,
    circuitRestMs: 500,
    readerRedis: async (url) => {
      const { hostname, port, pathname } = new URL(url);
      proxy = await openTcpProxy({ host: hostname, port: Number(port) });
      return `redis://127.0.0.1:${String(proxy.port)}${pathname}`;
    },
  });
});
afterAll(async () => { await world.close(); await proxy.close(); });

let people = 0;
const person = () => world.person(`person${String(people += 1)}`);
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
const post = (author: AccountId, minutes = 1) => world.post(author, { publishedAt: minutesAgo(minutes) });
const latest = async (viewer: AccountId) => (await world.feed(viewer, '?order=latest')).ids;
async function viewerOf(...authors: AccountId[]): Promise<AccountId> {
  const viewer = await person();
  for (const author of authors) await world.follow(viewer, author);
  return viewer;
}
/** Reads pages to the end. */
async function pages(viewer: AccountId, query: string, between: (page: number) => Promise<void> = async () => undefined, path = '/v1/feed'): Promise<string[][]> {
  const read: string[][] = [];
  let cursor: string | null = null;
  do {
    const answer = await world.feed(viewer, `${query}${cursor === null ? '' : `&cursor=${cursor}`}`, path);
    expect(answer.status).toBe(200);
    read.push(answer.ids);
    cursor = answer.next;
    await between(read.length);
  } while (cursor !== null && read.length < 50);
  return read;
}

describe('GET /v1/feed', () => {
  it('shows the posts of those one follows, computed at first, then kept up to date in Redis', async () => {
    const [ann, ben, stranger] = [await person(), await person(), await person()];
    const viewer = await viewerOf(ann, ben);
    const [first, second] = [await post(ann, 20), await post(ben, 10)];
    await post(stranger, 5);
    const cold = await world.feed(viewer, '?order=latest');
    expect(cold).toMatchObject({ status: 200, ids: [second, first], cache: 'miss', quality: 'normal', next: null });
    const third = await post(ann, 3);
    expect(await world.feed(viewer, '?order=latest')).toMatchObject({ ids: [third, second, first], cache: 'hit' });
    expect(await world.feed(viewer, '?order=latest', '/v1/feed/home')).toMatchObject({ ids: [third, second, first] });
    expect((await world.feed(viewer)).ids.toSorted()).toEqual([first, second, third].toSorted());
    expect(await latest(ann)).toEqual([]);
  });

  it('answers 401 to nobody', async () => {
    expect((await fetch(`${world.url}/v1/feed`)).status).toBe(401);
  });

  it('shows what follows, unfollows, mutes, blocks, archives and deletions say at once, to those concerned alone', async () => {
    const [ann, ben] = [await person(), await person()];
    const [viewer, other] = [await viewerOf(ann, ben), await viewerOf(ann, ben)];
    const [a, b] = [await post(ann, 2), await post(ben, 1)];
    const both = [b, a];
    expect([await latest(viewer), await latest(other)]).toEqual([both, both]);
    const change = async (...facts: Parameters<FeedWorld['tell']>) => { await world.tell(...facts); return [await latest(viewer), await latest(other)]; };
    expect(await change(happened('AccountMuted', { muterId: viewer, mutedId: ann }))).toEqual([[b], both]);
    expect(await change(happened('AccountUnmuted', { muterId: viewer, mutedId: ann }))).toEqual([both, both]);
    expect(await change(happened('FollowEnded', { followerId: viewer, followeeId: ann, reason: 'unfollowed' }))).toEqual([[b], both]);
    expect(await change(happened('AccountFollowed', { followerId: viewer, followeeId: ann }))).toEqual([both, both]);
    expect(await change(happened('AccountBlocked', { blockerId: ben, blockedId: viewer }))).toEqual([[a], both]);
    expect(await change(happened('AccountUnblocked', { blockerId: ben, blockedId: viewer }))).toEqual([[a], both]);
    expect(await change(happened('PostArchived', { postId: a, authorId: ann }))).toEqual([[], [b]]);
    expect(await change(happened('PostUnarchived', { postId: a, authorId: ann }))).toEqual([[a], both]);
    expect(await change(happened('PostDeleted', { postId: a, authorId: ann }))).toEqual([[], [b]]);
    expect(await change(happened('AccountErased', { accountId: ben }))).toEqual([[], []]);
  });

  it('keeps a private account\'s posts to accepted followers', async () => {
    const priv = await world.person('secretive', { privacy: 'private' });
    const viewer = await person();
    await world.tell(happened('FollowRequested', { followerId: viewer, followeeId: priv }));
    const hidden = await post(priv);
    expect(await latest(viewer)).toEqual([]);
    await world.tell(happened('FollowRequestAccepted', { followerId: viewer, followeeId: priv }));
    expect(await latest(viewer)).toEqual([hidden]);
  });

  it('shows no post that is older than a week', async () => {
    const ann = await person();
    const viewer = await viewerOf(ann);
    await post(ann, 8 * 24 * 60);
    const fresh = await post(ann, 6 * 24 * 60);
    expect(await latest(viewer)).toEqual([fresh]);
  });

  it('does not show what the index still holds, as when a lane lags', async () => {
    const [ann, ben, cat, dan, eve] = [await person(), await person(), await person(), await person(), await person()];
    const viewer = await viewerOf(ann, ben, cat, dan, eve);
    const posts = [await post(ann, 5), await post(ben, 4), await post(cat, 3), await post(dan, 2), await post(eve, 1)];
    expect(await latest(viewer)).toHaveLength(5);
    const [key = ''] = await world.redis.keys(`home_feed_*:feed:*:${viewer}`);
    const held = await world.redis.dumpBuffer(key);
    await world.tell(
      happened('AccountBlocked', { blockerId: ann, blockedId: viewer }), happened('AccountMuted', { muterId: viewer, mutedId: ben }),
      happened('FollowEnded', { followerId: viewer, followeeId: cat, reason: 'unfollowed' }), happened('PostDeleted', { postId: posts[3]!, authorId: dan }),
    );
    expect(await latest(viewer)).toEqual([posts[4]]);
    await world.redis.restore(key, 0, held!, 'REPLACE');
    expect(await latest(viewer)).toEqual([posts[4]]);
    expect((await world.feed(viewer)).ids).toEqual([posts[4]]);
  });

  it('shows at most three posts of one author on a ranked page, unless the page would be short', async () => {
    const [loud, ben, cat] = [await person(), await person(), await person()];
    const viewer = await viewerOf(loud, ben, cat);
    for (let i = 0; i < 6; i += 1) await post(loud, i + 1);
    await post(ben, 100);
    await post(cat, 101);
    const ranked = await world.feed(viewer, '?limit=5');
    expect(authorsOf(ranked.body).filter((id) => id === loud)).toHaveLength(3);
    expect(authorsOf((await world.feed(viewer, '?limit=5&order=latest')).body).filter((id) => id === loud)).toHaveLength(5);
    const alone = await viewerOf(loud);
    expect((await world.feed(alone, '?limit=5')).ids).toHaveLength(5);
  });

  it('mixes 10 to 20 % recommendations into a page once the viewer follows ten accounts, and none into the latest', async () => {
    const strangers = await Promise.all(Array.from({ length: 6 }, person));
    for (const stranger of strangers) {
      const id = await post(stranger, 30);
      await world.tell(happened('PostLiked', { postId: id, accountId: newId.account(), authorId: stranger }));
    }
    const authors = await Promise.all(Array.from({ length: 10 }, person));
    for (const author of authors) for (let i = 0; i < 3; i += 1) await post(author, 10 + i);
    const viewer = await viewerOf(...authors);
    const followed = new Set<string>(authors);
    const { body } = await world.feed(viewer, '?limit=20');
    const recommended = authorsOf(body).filter((id) => !followed.has(id));
    expect(recommended.length).toBeGreaterThanOrEqual(2);
    expect(recommended.length).toBeLessThanOrEqual(4);
    expect(authorsOf((await world.feed(viewer, '?limit=20&order=latest')).body).every((id) => followed.has(id))).toBe(true);
    world.load.saturation = 0.9;
    expect(authorsOf((await world.feed(viewer, '?limit=20')).body).every((id) => followed.has(id))).toBe(true);
    expect((await world.feed(viewer, '', '/v1/feed/explore')).status).toBe(503);
    world.load.saturation = 0;
    const few = await viewerOf(...authors.slice(0, 9));
    expect(authorsOf((await world.feed(few, '?limit=20')).body).every((id) => followed.has(id))).toBe(true);
  });
});

describe('paging', () => {
  it.each(['ranked', 'latest'])('neither repeats nor skips a post while others arrive and vanish (%s)', async (order) => {
    const authors = await Promise.all(Array.from({ length: 4 }, person));
    const viewer = await viewerOf(...authors);
    const posts: PostId[] = [];
    for (let i = 0; i < 30; i += 1) posts.push(await post(authors[i % 4]!, 30 + i));
    const gone = new Set<string>();
    const read = await pages(viewer, `?order=${order}&limit=7`, async (page) => {
      await post(authors[page % 4]!, 0);
      const victim = posts[29 - page]!;
      gone.add(victim);
      await world.tell(happened('PostDeleted', { postId: victim, authorId: authors[(29 - page) % 4]! }));
    });
    const seen = read.flat();
    expect(new Set(seen).size).toBe(seen.length);
    expect(posts.filter((id) => !gone.has(id) && !seen.includes(id))).toEqual([]);
    expect(read.slice(0, -1).every((page) => page.length === 7)).toBe(true);
  });

  it('gives full pages although much of the index may not be seen any more', async () => {
    const [ann, ben] = [await person(), await person()];
    const viewer = await viewerOf(ann, ben);
    for (let i = 0; i < 24; i += 1) await post(i % 2 === 0 ? ann : ben, i + 1);
    const first = await world.feed(viewer, '?limit=5');
    expect(first.ids).toHaveLength(5);
    await world.tell(happened('AccountMuted', { muterId: viewer, mutedId: ann }));
    const second = await world.feed(viewer, `?limit=5&cursor=${first.next ?? ''}`);
    expect(second.ids).toHaveLength(5);
    expect(second.session).toBe(first.session);
    expect(authorsOf(second.body).every((id) => id === ben)).toBe(true);
  });

  it('goes on by time, without repeats, when the session is lost', async () => {
    const authors = await Promise.all(Array.from({ length: 3 }, person));
    const viewer = await viewerOf(...authors);
    for (let i = 0; i < 12; i += 1) await post(authors[i % 3]!, i + 1);
    const first = await world.feed(viewer, '?limit=4');
    const cursor = JSON.parse(Buffer.from(first.next ?? '', 'base64url').toString()) as Record<string, unknown>;
    const lost = Buffer.from(JSON.stringify({ ...cursor, session: crypto.randomUUID() })).toString('base64url');
    const second = await world.feed(viewer, `?limit=4&cursor=${lost}`);
    expect(second).toMatchObject({ status: 200, quality: 'degraded' });
    expect(second.ids.length).toBeGreaterThan(0);
    expect(second.ids.filter((id) => first.ids.includes(id))).toEqual([]);
  });

  it('does not go on in somebody else\'s session', async () => {
    const ann = await person();
    const [viewer, other] = [await viewerOf(ann), await person()];
    for (let i = 0; i < 4; i += 1) await post(ann, i + 1);
    const { next } = await world.feed(viewer, '?limit=2');
    expect((await world.feed(other, `?limit=2&cursor=${next ?? ''}`)).ids).toEqual([]);
  });

  it('refuses a cursor that is none', async () => {
    expect((await world.feed(await person(), '?cursor=nonsense')).status).toBe(400);
  });
});

describe('celebrities', () => {
  it('are pulled from the moment they are one, given back afterwards, and no post is missing or doubled in between', async () => {
    const star = await person();
    const viewers = [await viewerOf(star), await viewerOf(star)];
    const expected: PostId[] = [];
    const expectAll = async () => {
      for (const viewer of viewers) expect(await latest(viewer)).toEqual(expected.toReversed());
    };
    const say = async (minutes: number) => { expected.push(await post(star, minutes)); };
    await say(60);
    await expectAll();
    await world.tell(happened('CelebrityStatusGranted', { accountId: star, followerCount: 10_000, threshold: 10_000 }));
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
    await world.redis.flushdb();
    await expectAll();
  });
});

describe('a cold feed', () => {
  it('is computed once, however many ask for it at the same time', async () => {
    const ann = await person();
    const viewer = await viewerOf(ann);
    const only = await post(ann);
    await world.feed(await person());
    const before = world.computed.feeds;
    const answers = await Promise.all(Array.from({ length: 500 }, () => world.feed(viewer, '?order=latest')));
    expect(answers.every(({ status, ids }) => status === 200 && ids[0] === only)).toBe(true);
    expect(world.computed.feeds - before).toBe(1);
  });
});

describe('explore', () => {
  it('shows posts of public strangers in an order that is kept over its pages', async () => {
    const [ann, priv] = [await person(), await world.person('closed', { privacy: 'private' })];
    const viewer = await viewerOf(ann);
    const [followed, hidden] = [await post(ann), await post(priv)];
    const seen = (await pages(viewer, '?limit=5', undefined, '/v1/feed/explore')).flat();
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).not.toContain(followed);
    expect(seen).not.toContain(hidden);
    expect(seen.length).toBeGreaterThan(5);
  });
});

// The last tests: they leave the circuit open.
describe('without Redis', () => {
  it('still answers, from PostgreSQL, and goes back to Redis by itself', async () => {
    const ann = await person();
    const viewer = await viewerOf(ann);
    const only = await post(ann);
    expect(await world.feed(viewer, '?order=latest')).toMatchObject({ status: 200, ids: [only] });
    proxy.cut();
    expect(await world.feed(viewer, '?order=latest')).toMatchObject({ status: 200, ids: [only], cache: 'miss' });
    const ranked = await world.feed(viewer);
    expect(ranked).toMatchObject({ status: 200, ids: [only], cache: 'miss' });
    proxy.mend();
    await expect.poll(async () => (await world.feed(viewer, '?order=latest')).cache, { timeout: 10_000 }).toBe('hit');
  });

  it('answers while Redis takes two seconds for each reply', async () => {
    const ann = await person();
    const viewer = await viewerOf(ann);
    const only = await post(ann);
    proxy.slow(2_000);
    for (let i = 0; i < 8; i += 1) expect(await world.feed(viewer, '?order=latest')).toMatchObject({ status: 200, ids: [only], cache: 'miss' });
    proxy.mend();
  });
});

function authorsOf(body: Record<string, unknown>): string[] {
  return (body['posts'] as { user: { user_id: string } }[]).map(({ user }) => user.user_id);
}
