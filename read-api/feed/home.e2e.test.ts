import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, PostId } from '../../domain/ids.ts';
import { newId } from '../../infra/ids.ts';
import { openFeedWorld, type FeedWorld } from '../../testing/feed-world.ts';
import { happened } from '../../testing/projection-spec.ts';
import { keysIn } from '../../testing/redis-contents.ts';

let world: FeedWorld;
beforeAll(async () => {
  world = await openFeedWorld();
});
afterAll(() => world.close());

let people = 0;
const person = () => world.person(`person${String((people += 1))}`);
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
const post = (author: AccountId, minutes = 1) => world.post(author, { publishedAt: minutesAgo(minutes) });
const latest = async (viewer: AccountId) => (await world.feed(viewer, '?order=latest')).ids;
async function viewerOf(...authors: AccountId[]): Promise<AccountId> {
  const viewer = await person();
  for (const author of authors) await world.follow(viewer, author);
  return viewer;
}
/** Reads pages to the end. */
async function pages(
  viewer: AccountId,
  query: string,
  between: (page: number) => Promise<void> = async () => undefined,
  path = '/v1/feed',
): Promise<string[][]> {
  const read: string[][] = [];
  let cursor: string | null = null;
  do {
    const answer = await world.feed(viewer, `${query}${cursor === null ? '' : `&cursor=${cursor}`}`, { path });
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
    expect(await world.feed(viewer, '?order=latest', { path: '/v1/feed/home' })).toMatchObject({
      ids: [third, second, first],
    });
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
    const change = async (...facts: Parameters<FeedWorld['tell']>) => {
      await world.tell(...facts);
      return [await latest(viewer), await latest(other)];
    };
    expect(await change(happened('AccountMuted', { muterId: viewer, mutedId: ann }))).toEqual([[b], both]);
    expect(await change(happened('AccountUnmuted', { muterId: viewer, mutedId: ann }))).toEqual([both, both]);
    expect(
      await change(happened('FollowEnded', { followerId: viewer, followeeId: ann, reason: 'unfollowed' })),
    ).toEqual([[b], both]);
    expect(await change(happened('AccountFollowed', { followerId: viewer, followeeId: ann }))).toEqual([both, both]);
    expect(await change(happened('AccountBlocked', { blockerId: ben, blockedId: viewer }))).toEqual([[a], both]);
    expect(await change(happened('AccountUnblocked', { blockerId: ben, blockedId: viewer }))).toEqual([[a], both]);
    expect(await change(happened('PostArchived', { postId: a, authorId: ann }))).toEqual([[], [b]]);
    expect(await change(happened('PostUnarchived', { postId: a, authorId: ann }))).toEqual([[a], both]);
    expect(await change(happened('PostDeleted', { postId: a, authorId: ann }))).toEqual([[], [b]]);
    expect(await change(happened('AccountErased', { accountId: ben }))).toEqual([[], []]);
  });

  it("keeps a private account's posts to accepted followers", async () => {
    const priv = await world.person('secretive', { privacy: 'private' });
    const viewer = await person();
    await world.tell(happened('FollowRequested', { followerId: viewer, followeeId: priv }));
    const hidden = await post(priv);
    expect(await latest(viewer)).toEqual([]);
    await world.tell(happened('FollowRequestAccepted', { followerId: viewer, followeeId: priv }));
    expect(await latest(viewer)).toEqual([hidden]);
  });

  it("hides a public account's posts from strangers the moment it becomes private, and keeps its followers", async () => {
    const open = await person();
    const [follower, stranger, asking] = [await viewerOf(open), await person(), await person()];
    const id = await post(open);
    await world.tell(happened('PostLiked', { postId: id, accountId: follower, authorId: open }));
    const explored = async (viewer: AccountId) =>
      (await pages(viewer, '?limit=50', undefined, '/v1/feed/explore')).flat().includes(id);
    expect(await explored(stranger)).toBe(true);
    const others = [await post(open), await post(open)];
    const begun = await world.feed(stranger, '?limit=1', { path: '/v1/feed/explore' });
    await world.tell(
      happened('AccountMadePrivate', { accountId: open }),
      happened('FollowRequested', { followerId: asking, followeeId: open }),
    );
    const all = [...others.toReversed(), id];
    expect([await explored(stranger), await latest(follower), await latest(asking)]).toEqual([false, all, []]);
    const goneOn = await world.feed(stranger, `?limit=100&cursor=${begun.next ?? ''}`, { path: '/v1/feed/explore' });
    expect(goneOn.status).toBe(200);
    expect(goneOn.ids.filter((one) => all.includes(one as PostId))).toEqual([]);
    await world.tell(happened('FollowRequestDeclined', { followerId: asking, followeeId: open }));
    expect([await latest(follower), await latest(asking)]).toEqual([all, []]);
    await world.tell(
      happened('AccountMadePublic', { accountId: open }),
      happened('AccountFollowed', { followerId: asking, followeeId: open }),
    );
    expect([await latest(follower), await latest(asking)]).toEqual([all, all]);
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
    const [key = ''] = await keysIn(world.redis, `home_feed_*:feed:*:${viewer}`);
    const held = await world.redis.dumpBuffer(key);
    await world.tell(
      happened('AccountBlocked', { blockerId: ann, blockedId: viewer }),
      happened('AccountMuted', { muterId: viewer, mutedId: ben }),
      happened('FollowEnded', { followerId: viewer, followeeId: cat, reason: 'unfollowed' }),
      happened('PostDeleted', { postId: posts[3]!, authorId: dan }),
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
    expect(
      authorsOf((await world.feed(viewer, '?limit=5&order=latest')).body).filter((id) => id === loud),
    ).toHaveLength(5);
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
    expect(authorsOf((await world.feed(viewer, '?limit=20&order=latest')).body).every((id) => followed.has(id))).toBe(
      true,
    );
    world.load.saturation = 0.9;
    expect(authorsOf((await world.feed(viewer, '?limit=20')).body).every((id) => followed.has(id))).toBe(true);
    expect((await world.feed(viewer, '', { path: '/v1/feed/explore' })).status).toBe(503);
    world.load.saturation = 0;
    const few = await viewerOf(...authors.slice(0, 9));
    expect(authorsOf((await world.feed(few, '?limit=20')).body).every((id) => followed.has(id))).toBe(true);
  });
});

describe('what a post says', () => {
  type Shown = {
    post_id: string;
    caption: string | null;
    is_liked: boolean;
    is_saved: boolean;
    like_count: number;
    comment_count: number;
    user: { full_name: string | null };
  };
  const shown = async (viewer: AccountId, query = '') =>
    ((await world.feed(viewer, query)).body['posts'] as Shown[])[0];

  it('counts what everybody did and says what the viewer did, at once after each change', async () => {
    const ann = await person();
    const [viewer, other] = [await viewerOf(ann), await viewerOf(ann)];
    const id = await post(ann);
    const like = (accountId: AccountId) => ({ postId: id, accountId, authorId: ann });
    const commentId = newId.comment();
    const steps: [Parameters<FeedWorld['tell']>[0], mine: Partial<Shown>, others: Partial<Shown>][] = [
      [happened('PostLiked', like(viewer)), { is_liked: true, like_count: 1 }, { is_liked: false, like_count: 1 }],
      [happened('PostLiked', like(other)), { is_liked: true, like_count: 2 }, { is_liked: true, like_count: 2 }],
      [happened('PostUnliked', like(viewer)), { is_liked: false, like_count: 1 }, { is_liked: true, like_count: 1 }],
      [happened('PostSaved', { postId: id, accountId: viewer }), { is_saved: true }, { is_saved: false }],
      [
        happened('CommentAdded', {
          commentId,
          postId: id,
          postAuthorId: ann,
          accountId: other,
          text: 'Nice',
          parentCommentId: null,
        }),
        { comment_count: 1 },
        { comment_count: 1 },
      ],
      [
        happened('CommentDeleted', { commentId, postId: id, deletedBy: other }),
        { comment_count: 0 },
        { comment_count: 0 },
      ],
      [happened('PostLiked', like(viewer)), { like_count: 2 }, { like_count: 2 }],
      [happened('AccountErased', { accountId: other }), { is_liked: true, like_count: 1 }, {}],
    ];
    for (const [fact, mine, others] of steps) {
      await world.tell(fact);
      expect(await shown(viewer)).toMatchObject({ post_id: id, ...mine });
      if (Object.keys(others).length > 0)
        expect(await shown(other, '?order=latest')).toMatchObject({ post_id: id, ...others });
    }
  });

  it('is what its author says now, however often it was shown before', async () => {
    const ann = await person();
    const viewer = await viewerOf(ann);
    const id = await post(ann);
    await shown(viewer);
    await world.tell(happened('CaptionEdited', { postId: id, authorId: ann, caption: 'Another day' }));
    expect(await shown(viewer)).toMatchObject({ caption: 'Another day' });
    await world.tell(happened('ProfileEdited', { accountId: ann, fullName: 'Ann of Green Gables' }));
    expect(await shown(viewer)).toMatchObject({ user: { full_name: 'Ann of Green Gables' } });
    await world.tell(happened('AccountMadePrivate', { accountId: ann }));
    expect((await shown(viewer))?.user).toMatchObject({ is_private: true });
  });
});

describe('paging', () => {
  it.each(['ranked', 'latest'])(
    'neither repeats nor skips a post while others arrive and vanish (%s)',
    async (order) => {
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
    },
  );

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

  it('begins again in the same session while nothing changed, and in another for one who sends a token or once there is a new post', async () => {
    const ann = await person();
    const [viewer, other] = [await viewerOf(ann), await viewerOf(ann)];
    for (let i = 1; i <= 5; i += 1) await post(ann, i);
    const open = (of: AccountId) => world.feed(of, '?limit=2', { headers: { 'Consistency-Token': '' } });
    for (const of of [viewer, other]) await world.feed(of);
    const [first, again, twin] = [await open(viewer), await open(viewer), await open(other)];
    expect([again.session, again.ids]).toEqual([first.session, first.ids]);
    expect(twin.session).not.toBe(first.session);
    expect(
      (await world.feed(viewer, `?limit=2&cursor=${again.next ?? ''}`)).ids.filter((id) => first.ids.includes(id)),
    ).toEqual([]);
    expect((await world.feed(viewer, '?limit=2')).session).not.toBe(first.session);
    const fresh = await post(ann, 0);
    await world.settled();
    const after = await world.feed(viewer, '?limit=10', { headers: { 'Consistency-Token': '' } });
    expect(after.session).not.toBe(first.session);
    expect(after.ids).toContain(fresh);
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

  it("does not go on in somebody else's session", async () => {
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

describe('explore', () => {
  it('shows posts of public strangers in an order that is kept over its pages', async () => {
    const [ann, priv] = [await person(), await world.person('closed', { privacy: 'private' })];
    const viewer = await viewerOf(ann);
    const [followed, hidden] = [await post(ann), await post(priv)];
    const seen = (await pages(viewer, '?limit=2', undefined, '/v1/feed/explore')).flat();
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).not.toContain(followed);
    expect(seen).not.toContain(hidden);
    expect(seen.length).toBeGreaterThan(5);
  });
});

function authorsOf(body: Record<string, unknown>): string[] {
  return (body['posts'] as { user: { user_id: string } }[]).map(({ user }) => user.user_id);
}
