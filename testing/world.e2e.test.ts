import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send, textAt } from './http.ts';
import { startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

describe('a world on a whole stack', () => {
  it('shows at once what people did: a follow, a post with its sizes, a like, a comment, a save', async () => {
    const [ann, ben] = [await world.person('ann'), await world.person()];
    await world.follow(ann, ben);
    expect((await ben.get('/v1/users/ann')).body).toMatchObject({ follower_count: 1, is_following: true });
    const post = await world.publish(ann, { caption: 'First light #dawn', seed: 3 });
    const shown = await ben.get(`/v1/posts/${post}`);
    expect(shown.body).toMatchObject({
      caption: 'First light #dawn',
      hashtags: ['dawn'],
      media: [{ width: 480, height: 360 }],
    });
    const { small } = (shown.body as { media: { urls: { small: string } }[] }).media[0]!.urls;
    const file = await fetch(new URL(small, world.stack.edgeUrl));
    expect([file.status, file.headers.get('content-type')]).toEqual([200, 'image/webp']);
    await ben.post(`/v1/posts/${post}/like`);
    await ben.post(`/v1/posts/${post}/save`);
    await ben.post(`/v1/posts/${post}/comments`, { text: 'lovely' });
    expect((await ben.get(`/v1/posts/${post}`)).body).toMatchObject({
      like_count: 1,
      is_liked: true,
      is_saved: true,
      comment_count: 1,
    });
    expect((await ann.put('/v1/users/ann', { bio: 'Early riser' })).body).toMatchObject({
      bio: 'Early riser',
      is_verified: false,
      follower_count: 1,
      following_count: 0,
      post_count: 1,
    });
    await ben.delete(`/v1/posts/${post}/like`);
    expect((await ben.get(`/v1/posts/${post}`)).body).toMatchObject({ like_count: 0, is_liked: false });
    expect((await ann.delete(`/v1/posts/${post}`)).status).toBe(204);
    expect((await ben.get(`/v1/posts/${post}`)).status).toBe(404);
  });

  it('shows an upload by its preview as soon as it is ready, also to the owner of a private account', async () => {
    const shy = await world.person(undefined, { privacy: 'private' });
    const mediaId = await world.upload(shy);
    const complete = () => shy.post(`/v1/media/upload-url/${mediaId}/complete`);
    const ready = await world.eventually(complete, ({ body }) => (body as { status?: unknown }).status === 'ready');
    const preview = new URL(textAt(ready, 'preview_url'), world.stack.edgeUrl);
    const file = await world.eventually(
      () => send(preview.href),
      ({ status }) => status !== 404,
    );
    expect([file.status, file.headers.get('content-type')]).toEqual([200, 'image/webp']);
    preview.search = '';
    expect((await send(preview.href)).status).toBe(404);
  });

  it("shows a story to those it is meant for, and a private account's post to its accepted followers", async () => {
    const [teller, friend, other] = [await world.person(), await world.person(), await world.person()];
    await teller.post(`/v1/users/${friend.username}/close-friend`);
    const story = await world.story(teller, { audience: 'close_friends' });
    expect((await friend.get(`/v1/users/${teller.username}/stories`)).body).toMatchObject({
      stories: [{ story_id: story }],
    });
    expect((await other.get(`/v1/users/${teller.username}/stories`)).body).toEqual({ stories: [] });
    const shy = await world.person(undefined, { privacy: 'private' });
    const post = await world.publish(shy);
    await world.follow(shy, friend);
    expect((await friend.get(`/v1/posts/${post}`)).status).toBe(404);
    expect((await shy.post(`/v1/follow-requests/${friend.username}/accept`)).status).toBe(200);
    expect((await friend.get(`/v1/posts/${post}`)).status).toBe(200);
    expect((await other.get(`/v1/posts/${post}`)).status).toBe(404);
  });
});
