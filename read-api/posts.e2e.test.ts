import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId } from '../domain/ids.ts';
import { newId } from '../infra/ids.ts';
import { happened } from '../testing/projection-spec.ts';
import { openReadWorld, type ReadWorld } from '../testing/read-world.ts';

let world: ReadWorld;
let ann: AccountId;
let ben: AccountId;
beforeAll(async () => {
  world = await openReadWorld();
  ann = await world.person('ann', { fullName: 'Ann Müller' });
  ben = await world.person('ben');
});
afterAll(() => world.close());

const block = (blockerId: AccountId, blockedId: AccountId) =>
  world.tell(happened('AccountBlocked', { blockerId, blockedId }));

describe('GET /v1/posts/{id}', () => {
  it('shows a post with everything around it, as the viewer stands to it', async () => {
    const post = await world.post(ann, {
      caption: 'Dusk at the #Harbour',
      location: { name: 'Harbour', lat: 53.5, lng: 9.9 },
    });
    await world.tell(
      happened('PostLiked', { postId: post, accountId: ben, authorId: ann }),
      happened('PostSaved', { postId: post, accountId: ben }),
      happened('CommentAdded', {
        commentId: newId.comment(),
        postId: post,
        postAuthorId: ann,
        accountId: ben,
        parentCommentId: null,
        text: 'lovely',
      }),
    );
    const { status, body, headers } = await world.get(`/v1/posts/${post}`, ben);
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('private, no-store');
    expect(body).toMatchObject({
      post_id: post,
      caption: 'Dusk at the #Harbour',
      hashtags: ['harbour'],
      like_count: 1,
      comment_count: 1,
      is_liked: true,
      is_saved: true,
      user: { user_id: ann, username: 'ann', full_name: 'Ann Müller' },
      location: { name: 'Harbour' },
      media: [
        {
          type: 'image',
          width: 1080,
          height: 810,
          urls: { small: expect.stringMatching(/^\/media\/media\/med_.*\/small\.webp$/) },
        },
      ],
    });
    expect((await world.get(`/v1/posts/${post}`, ann)).body).toMatchObject({
      is_liked: false,
      is_saved: false,
      like_count: 1,
    });
  });

  it("keeps a private account's post to its followers and itself", async () => {
    const carla = await world.person('carla', { privacy: 'private' });
    const post = await world.post(carla);
    expect((await world.get(`/v1/posts/${post}`, ben)).status).toBe(404);
    expect((await world.get(`/v1/posts/${post}`, carla)).status).toBe(200);
    await world.follow(ben, carla);
    expect((await world.get(`/v1/posts/${post}`, ben)).status).toBe(200);
    expect((await world.get(`/v1/posts/${post}`, ann)).body).toMatchObject({ code: 'post_not_found' });
  });

  it('hides posts between two accounts as soon as either blocks the other', async () => {
    const [dan, eve] = [await world.person('dan'), await world.person('eve')];
    const [his, hers] = [await world.post(dan), await world.post(eve)];
    await block(dan, eve);
    expect((await world.get(`/v1/posts/${his}`, eve)).status).toBe(404);
    expect((await world.get(`/v1/posts/${hers}`, dan)).status).toBe(404);
    expect((await world.get(`/v1/posts/${his}`, ben)).status).toBe(200);
  });

  it('hides what is archived from everybody but its author, and what is deleted from everybody', async () => {
    const post = await world.post(ann);
    await world.tell(happened('PostArchived', { postId: post, authorId: ann }));
    expect((await world.get(`/v1/posts/${post}`, ben)).status).toBe(404);
    expect((await world.get(`/v1/posts/${post}`, ann)).body).toMatchObject({ is_archived: true });
    await world.tell(happened('PostDeleted', { postId: post, authorId: ann }));
    expect((await world.get(`/v1/posts/${post}`, ann)).status).toBe(404);
  });

  it('hides the posts of an erased account', async () => {
    const gone = await world.person('gone');
    const post = await world.post(gone);
    await world.tell(happened('AccountErased', { accountId: gone }));
    expect((await world.get(`/v1/posts/${post}`, ben)).status).toBe(404);
  });

  it('answers 404 to what is no id, and 401 to nobody', async () => {
    expect((await world.get('/v1/posts/nonsense', ben)).body).toMatchObject({ status: 404, code: 'post_not_found' });
    expect((await fetch(`${world.url}/v1/posts/nonsense`)).status).toBe(401);
  });
});

describe('GET /v1/posts/{id}/status', () => {
  it('tells its author how a post stands, with a token of its publication', async () => {
    const post = newId.post();
    const composed = {
      postId: post,
      authorId: ann,
      caption: null,
      mediaIds: [newId.media()],
      filter: null,
      altTexts: {},
      location: null,
      commentsDisabled: false,
    };
    await world.tell(happened('PostCreated', composed));
    const waiting = await world.get(`/v1/posts/${post}/status`, ann);
    expect(waiting.body).toEqual({ post_id: post, status: 'processing' });
    expect(waiting.headers.get('consistency-token')).toBeNull();
    await world.tell(
      happened('PostPublished', { postId: post, authorId: ann, publishedAt: '2026-01-01T00:00:00.000Z' }),
    );
    const ready = await world.get(`/v1/posts/${post}/status`, ann);
    expect(ready.body).toMatchObject({ status: 'ready' });
    expect(
      (await world.get(`/v1/posts/${post}`, ben, { 'Consistency-Token': ready.headers.get('consistency-token')! }))
        .status,
    ).toBe(200);
  });

  it('tells why a post was rejected, and nobody else anything', async () => {
    const post = newId.post();
    await world.tell(
      happened('PostCreated', {
        postId: post,
        authorId: ann,
        caption: null,
        mediaIds: [newId.media()],
        filter: null,
        altTexts: {},
        location: null,
        commentsDisabled: false,
      }),
      happened('PostRejected', { postId: post, authorId: ann, reason: 'truncated' }),
    );
    expect((await world.get(`/v1/posts/${post}/status`, ann)).body).toEqual({
      post_id: post,
      status: 'rejected',
      reason: 'truncated',
    });
    expect((await world.get(`/v1/posts/${post}/status`, ben)).status).toBe(404);
  });
});

describe('GET /v1/posts/{id}/likes', () => {
  it('lists who likes a post page by page, without those whom the viewer may not meet', async () => {
    const post = await world.post(ann);
    const fans = await Promise.all(['fan1', 'fan2', 'fan3', 'fan4'].map((name) => world.person(name)));
    for (const fan of fans) await world.tell(happened('PostLiked', { postId: post, accountId: fan, authorId: ann }));
    await block(fans[1]!, ben);
    const first = await world.get(`/v1/posts/${post}/likes?limit=2`, ben);
    expect(first.body).toMatchObject({ users: [{}, {}], pagination: { has_more: true } });
    const next = (first.body as { pagination: { next_cursor: string } }).pagination.next_cursor;
    const second = await world.get(`/v1/posts/${post}/likes?limit=2&cursor=${next}`, ben);
    expect(second.body).toMatchObject({ users: [{}], pagination: { has_more: false, next_cursor: null } });
    const names = [first, second].flatMap(({ body }) =>
      (body as { users: { username: string }[] }).users.map((user) => user.username),
    );
    expect(names.sort()).toEqual(['fan1', 'fan3', 'fan4']);
  });

  it('hides the likes of a post that the viewer may not see', async () => {
    const hidden = await world.person('hidden', { privacy: 'private' });
    const post = await world.post(hidden);
    expect((await world.get(`/v1/posts/${post}/likes`, ben)).status).toBe(404);
    expect((await world.get(`/v1/posts/${post}/likes`, hidden)).status).toBe(200);
  });
});
