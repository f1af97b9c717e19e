import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, CommentId, PostId } from '../domain/ids.ts';
import { newId } from '../infra/ids.ts';
import { locationIdOf } from '../projections/models/post-locations.ts';
import type { HttpAnswer } from '../testing/http.ts';
import { happened } from '../testing/projection-spec.ts';
import { openReadWorld, type ReadWorld } from '../testing/read-world.ts';

let world: ReadWorld;
let ann: AccountId;
let ben: AccountId;
beforeAll(async () => {
  world = await openReadWorld();
  ann = await world.person('ann');
  ben = await world.person('ben');
});
afterAll(() => world.close());

const block = (blockerId: AccountId, blockedId: AccountId) =>
  world.tell(happened('AccountBlocked', { blockerId, blockedId }));
const ids = ({ body }: HttpAnswer) => (body as { posts: { post_id: string }[] }).posts.map((post) => post.post_id);
const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();

async function allPages(path: string, viewer: AccountId): Promise<string[][]> {
  const pages: string[][] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const answer: HttpAnswer = await world.get(
      `${path}${path.includes('?') ? '&' : '?'}${cursor === '' ? '' : `cursor=${cursor}`}`,
      viewer,
    );
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    pages.push(ids(answer));
    cursor = (answer.body as { pagination: { next_cursor: string | null } }).pagination.next_cursor;
  }
  return pages;
}

describe('GET /v1/feed/user/{username}', () => {
  it("gives an account's posts newest first, in full pages of one session, posts of the same moment included", async () => {
    const poster = await world.person('poster');
    const posts: { id: PostId; minute: number }[] = [];
    for (const minute of [1, 2, 2, 2, 3])
      posts.push({ id: await world.post(poster, { publishedAt: at(minute) }), minute });
    const archived = await world.post(poster, { publishedAt: at(4) });
    await world.tell(happened('PostArchived', { postId: archived, authorId: poster }));
    const pages = await allPages('/v1/feed/user/poster?limit=2', ben);
    expect(pages.map((page) => page.length)).toEqual([2, 2, 1]);
    expect(pages.flat()).toEqual(
      posts.toSorted((a, b) => b.minute - a.minute || (a.id < b.id ? 1 : -1)).map(({ id }) => id),
    );
    const first = await world.get('/v1/feed/user/poster?limit=2', ben);
    expect(first.headers.get('x-feed-quality')).toBe('normal');
    const { feed_session_id, pagination } = first.body as {
      feed_session_id: string;
      pagination: { next_cursor: string };
    };
    expect((await world.get(`/v1/feed/user/poster?limit=2&cursor=${pagination.next_cursor}`, ben)).body).toMatchObject({
      feed_session_id,
    });
  });

  it("shows a private account's posts to its followers alone", async () => {
    const shy = await world.person('shy', { privacy: 'private' });
    const post = await world.post(shy);
    expect((await world.get('/v1/feed/user/shy', ben)).status).toBe(404);
    await world.follow(ben, shy);
    expect(ids(await world.get('/v1/feed/user/shy', ben))).toEqual([post]);
    await block(shy, ben);
    expect((await world.get('/v1/feed/user/shy', ben)).status).toBe(404);
  });
});

describe('GET /v1/feed/hashtag/{tag} and /location/{id}', () => {
  it('fills every page although hidden posts lie between', async () => {
    const [open, secret, blocker] = [
      await world.person('open'),
      await world.person('secret', { privacy: 'private' }),
      await world.person('blocker'),
    ];
    const place = { name: 'Pier 7', lat: 1.23449, lng: 2 };
    const shown = [];
    for (let i = 0; i < 5; i += 1) {
      await world.post(secret, { caption: '#pier', location: place, publishedAt: at(3 * i) });
      await world.post(blocker, { caption: '#pier', location: place, publishedAt: at(3 * i + 1) });
      shown.unshift(
        await world.post(open, {
          caption: 'at the #Pier',
          location: { ...place, name: 'PIER  7', lat: 1.2341 },
          publishedAt: at(3 * i + 2),
        }),
      );
    }
    await block(blocker, ben);
    for (const path of [
      '/v1/feed/hashtag/%23PIER',
      '/v1/feed/hashtag/pier',
      `/v1/feed/location/${locationIdOf(place)}`,
    ]) {
      expect(await allPages(`${path}?limit=2`, ben), path).toEqual([
        shown.slice(0, 2),
        shown.slice(2, 4),
        shown.slice(4),
      ]);
    }
    await world.follow(ben, secret);
    expect((await allPages('/v1/feed/hashtag/pier?limit=100', ben)).flat()).toHaveLength(10);
    expect(ids(await world.get('/v1/feed/hashtag/unheard', ben))).toEqual([]);
  });
});

describe('GET /v1/saved', () => {
  it('lists what the viewer saved, newest save first, as long as it may see it, and nothing that others saved', async () => {
    const author = await world.person('author');
    const [p1, p2, p3] = [await world.post(author), await world.post(author), await world.post(author)];
    const saved = (postId: PostId, minute: number) => happened('PostSaved', { postId, accountId: ben }, at(minute));
    await world.tell(
      saved(p2, 1),
      saved(p1, 2),
      saved(p3, 3),
      happened('PostDeleted', { postId: p3, authorId: author }),
    );
    expect(await allPages('/v1/saved?limit=1', ben)).toEqual([[p1], [p2]]);
    expect(ids(await world.get('/v1/saved', ann))).toEqual([]);
    await block(author, ben);
    expect(ids(await world.get('/v1/saved', ben))).toEqual([]);
  });
});

describe('GET /v1/search', () => {
  it('finds hashtags that public accounts use, beginnings first, the most used first', async () => {
    const [tagger, quiet] = [await world.person('tagger'), await world.person('quiet', { privacy: 'private' })];
    for (const caption of ['#glacier #glacial', '#glacial', '#oldglacier']) await world.post(tagger, { caption });
    await world.post(quiet, { caption: '#glaciersecret' });
    expect((await world.get('/v1/search?type=hashtags&q=%23Glac', ben)).body).toMatchObject({
      hashtags: [
        { tag: 'glacial', post_count: 2 },
        { tag: 'glacier', post_count: 1 },
        { tag: 'oldglacier', post_count: 1 },
      ],
    });
    const { body } = await world.get('/v1/search?type=hashtags&q=glac&limit=1', ben);
    const { next_cursor } = (body as { pagination: { next_cursor: string } }).pagination;
    expect((await world.get(`/v1/search?type=hashtags&q=glac&limit=1&cursor=${next_cursor}`, ben)).body).toMatchObject({
      hashtags: [{ tag: 'glacier' }],
    });
  });

  it('finds hashtags whatever accents are typed, the very one first, and keeps them apart', async () => {
    const skier = await world.person('skier');
    for (const caption of ['#bjørn', '#bjørn', '#bjorn', '#björn']) await world.post(skier, { caption });
    expect((await world.get('/v1/search?type=hashtags&q=BJORN', ben)).body).toMatchObject({
      hashtags: [
        { tag: 'bjorn', post_count: 1 },
        { tag: 'bjørn', post_count: 2 },
        { tag: 'björn', post_count: 1 },
      ],
    });
    expect((await world.get(`/v1/search?type=hashtags&q=${encodeURIComponent('Björn')}`, ben)).body).toMatchObject({
      hashtags: [{ tag: 'björn' }, { tag: 'bjørn' }, { tag: 'bjorn' }],
    });
    expect((await world.get(`/v1/feed/hashtag/${encodeURIComponent('bjørn')}`, ben)).body).toMatchObject({
      posts: [{ hashtags: ['bjørn'] }, { hashtags: ['bjørn'] }],
    });
  });

  it('finds places of posts that the viewer may see, and users without a type', async () => {
    const [walker, hermit] = [await world.person('walker'), await world.person('hermit', { privacy: 'private' })];
    await world.post(walker, { location: { name: 'Café Zürich', lat: 47.37, lng: 8.54 } });
    await world.post(walker, { location: { name: 'cafe zürich', lat: 47.37, lng: 8.54 } });
    await world.post(hermit, { location: { name: 'Café Verborgen', lat: 46, lng: 7 } });
    const { body } = await world.get('/v1/search?type=locations&q=cafe', ben);
    expect(body).toMatchObject({
      locations: [{ id: locationIdOf({ name: 'CAFE ZURICH', lat: 47.37, lng: 8.54 }), post_count: 2 }],
      pagination: { has_more: false },
    });
    expect((await world.get('/v1/search?q=walker', ben)).body).toMatchObject({ users: [{ username: 'walker' }] });
    expect((await world.get('/v1/search?q=x&type=planets', ben)).status).toBe(400);
  });
});

describe('GET /v1/hashtags/trending', () => {
  it('counts each public author once, newer posts more, and nothing older than a week', async () => {
    const [loud, one, two, hid] = [
      await world.person('loud'),
      await world.person('one'),
      await world.person('two'),
      await world.person('hid', { privacy: 'private' }),
    ];
    const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
    for (let i = 0; i < 4; i += 1) await world.post(loud, { caption: '#trendspam', publishedAt: hoursAgo(1) });
    for (const author of [one, two]) await world.post(author, { caption: '#trendreal', publishedAt: hoursAgo(2) });
    await world.post(one, { caption: '#trendpast', publishedAt: hoursAgo(200) });
    await world.post(hid, { caption: '#trendhidden', publishedAt: hoursAgo(1) });
    const { body } = await world.get('/v1/hashtags/trending?limit=100', ben);
    const tags = (body as { hashtags: { tag: string }[] }).hashtags.filter(({ tag }) => tag.startsWith('trend'));
    expect(tags).toMatchObject([
      { tag: 'trendreal', recent_post_count: 2 },
      { tag: 'trendspam', recent_post_count: 4 },
    ]);
  });
});

describe('GET /v1/posts/{id}/comments and /v1/comments/{id}/replies', () => {
  const comment = (postId: PostId, accountId: AccountId, options: { to?: CommentId; minute?: number } = {}) => {
    const commentId = newId.comment();
    return {
      commentId,
      fact: happened(
        'CommentAdded',
        {
          commentId,
          postId,
          postAuthorId: ann,
          accountId,
          parentCommentId: options.to ?? null,
          text: `comment ${String(options.minute ?? 0)}`,
        },
        at(options.minute ?? 0),
      ),
    };
  };
  const texts = ({ body }: HttpAnswer, list: 'comments' | 'replies') =>
    (body as Record<string, { text: string }[]>)[list]!.map(({ text }) => text);

  it('lists comments newest first and replies oldest first, with counts, without those of whom the viewer may not meet', async () => {
    const post = await world.post(ann);
    const [talker, rude] = [await world.person('talker'), await world.person('rude')];
    const [c1, c2, c3] = [
      comment(post, talker, { minute: 1 }),
      comment(post, rude, { minute: 2 }),
      comment(post, talker, { minute: 3 }),
    ];
    const [r1, r2, r3] = [
      comment(post, talker, { to: c1.commentId, minute: 4 }),
      comment(post, rude, { to: c1.commentId, minute: 5 }),
      comment(post, ben, { to: c1.commentId, minute: 6 }),
    ];
    await world.tell(
      c1.fact,
      c2.fact,
      c3.fact,
      r1.fact,
      r2.fact,
      r3.fact,
      happened('CommentLiked', { commentId: c1.commentId, postId: post, accountId: ben }),
    );
    await block(rude, ben);
    const answer = await world.get(`/v1/posts/${post}/comments`, ben);
    expect(texts(answer, 'comments')).toEqual(['comment 3', 'comment 1']);
    expect((answer.body as { comments: unknown[] }).comments[1]).toMatchObject({
      user: { username: 'talker' },
      like_count: 1,
      is_liked: true,
      reply_count: 2,
      parent_comment_id: null,
    });
    const replies = await world.get(`/v1/comments/${c1.commentId}/replies?limit=1`, ben);
    expect(texts(replies, 'replies')).toEqual(['comment 4']);
    const { next_cursor } = (replies.body as { pagination: { next_cursor: string } }).pagination;
    expect(
      texts(await world.get(`/v1/comments/${c1.commentId}/replies?limit=1&cursor=${next_cursor}`, ben), 'replies'),
    ).toEqual(['comment 6']);
    expect((await world.get(`/v1/comments/${c2.commentId}/replies`, ben)).body).toMatchObject({
      code: 'comment_not_found',
    });
    expect((await world.get(`/v1/comments/${c2.commentId}/replies`, talker)).status).toBe(200);
  });

  it('hides the comments on a post that the viewer may not see', async () => {
    const silent = await world.person('silent', { privacy: 'private' });
    const post = await world.post(silent);
    const { commentId, fact } = comment(post, silent);
    await world.tell(fact);
    expect((await world.get(`/v1/posts/${post}/comments`, ben)).status).toBe(404);
    expect((await world.get(`/v1/comments/${commentId}/replies`, ben)).status).toBe(404);
    expect((await world.get(`/v1/posts/${post}/comments`, silent)).status).toBe(200);
  });
});

describe('stories', () => {
  const stories = async (username: string, viewer: AccountId) =>
    (
      (await world.get(`/v1/users/${username}/stories`, viewer)).body as {
        stories: { story_id: string; is_viewed: boolean; view_count: number | null }[];
      }
    ).stories;

  it("shows an account's running stories, those for close friends to them alone, and the number of views to the author alone", async () => {
    const teller = await world.person('teller');
    const close = await world.person('close');
    await world.tell(happened('CloseFriendAdded', { accountId: teller, friendId: close }));
    await world.story(teller, { publishedAt: new Date(Date.now() - 25 * 3_600_000) });
    const open = await world.story(teller, { publishedAt: new Date(Date.now() - 3_600_000) });
    const intimate = await world.story(teller, { audience: 'close_friends' });
    await world.tell(happened('StoryViewed', { storyId: open, authorId: teller, accountId: ben }));
    expect(await stories('teller', ben)).toMatchObject([{ story_id: open, is_viewed: true, view_count: null }]);
    expect(await stories('teller', close)).toMatchObject([
      { story_id: open, is_viewed: false },
      { story_id: intimate },
    ]);
    expect(await stories('teller', teller)).toMatchObject([
      { story_id: open, view_count: 1 },
      { story_id: intimate, view_count: 0 },
    ]);
  });

  it('tells who saw a story to its author alone, newest view first', async () => {
    const star = await world.person('star');
    const story = await world.story(star);
    const viewed = (accountId: AccountId, minute: number) =>
      happened('StoryViewed', { storyId: story, authorId: star, accountId }, at(minute));
    await world.tell(viewed(ann, 1), viewed(ben, 2));
    expect((await world.get(`/v1/stories/${story}/viewers`, star)).body).toMatchObject({
      view_count: 2,
      viewers: [{ user: { username: 'ben' }, viewed_at: at(2) }, { user: { username: 'ann' } }],
    });
    expect((await world.get(`/v1/stories/${story}/viewers`, ben)).body).toMatchObject({
      status: 404,
      code: 'story_not_found',
    });
    await world.tell(happened('StoryDeleted', { storyId: story, authorId: star }));
    expect((await world.get(`/v1/stories/${story}/viewers`, star)).status).toBe(404);
  });
});
