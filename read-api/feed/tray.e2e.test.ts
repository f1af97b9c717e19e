import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, StoryId } from '../../domain/ids.ts';
import { openFeedWorld, type FeedWorld } from '../../testing/feed-world.ts';
import { happened } from '../../testing/projection-spec.ts';

let world: FeedWorld;
beforeAll(async () => {
  world = await openFeedWorld();
});
afterAll(() => world.close());

let people = 0;
const person = () => world.person(`person${String((people += 1))}`);
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);
const story = (author: AccountId, minutes: number, audience: 'all' | 'close_friends' = 'all') =>
  world.story(author, { audience, publishedAt: minutesAgo(minutes) });
const view = (viewer: AccountId, author: AccountId, storyId: StoryId) =>
  world.tell(happened('StoryViewed', { storyId, authorId: author, accountId: viewer }));

type Tray = {
  stories: {
    user: { user_id: string };
    items: { story_id: string; is_viewed: boolean; view_count: number | null }[];
    unviewed_count: number;
  }[];
  pagination: { next_cursor: string | null };
};
async function tray(viewer: AccountId, query = ''): Promise<Tray> {
  const { status, body } = await world.get(`/v1/stories/feed${query}`, viewer);
  expect(status).toBe(200);
  return body as Tray;
}
const authors = async (viewer: AccountId) => (await tray(viewer)).stories.map(({ user }) => user.user_id);
const stories = async (viewer: AccountId) =>
  (await tray(viewer)).stories.flatMap(({ items }) => items.map(({ story_id }) => story_id));
async function viewerOf(...followed: AccountId[]): Promise<AccountId> {
  const viewer = await person();
  for (const one of followed) await world.follow(viewer, one);
  return viewer;
}

describe('GET /v1/stories/feed', () => {
  it("shows unseen authors first, then those with the newest story, each one's stories in the order to watch", async () => {
    const [ann, ben, stranger] = [await person(), await person(), await person()];
    const viewer = await viewerOf(ann, ben);
    const [early, late] = [await story(ann, 50), await story(ann, 10)];
    const other = await story(ben, 30);
    await story(stranger, 5);
    expect(await authors(viewer)).toEqual([ann, ben]);
    await view(viewer, ann, early);
    await view(viewer, ann, late);
    const seen = await tray(viewer);
    expect(seen.stories).toMatchObject([
      { user: { user_id: ben }, items: [{ story_id: other, is_viewed: false, view_count: null }], unviewed_count: 1 },
      {
        user: { user_id: ann },
        items: [
          { story_id: early, is_viewed: true },
          { story_id: late, is_viewed: true },
        ],
        unviewed_count: 0,
      },
    ]);
    expect(await authors(await viewerOf(ann, ben))).toEqual([ann, ben]);
  });

  it('drops what has expired, was deleted, or is by somebody muted, blocked or no longer followed', async () => {
    const people = [await person(), await person(), await person(), await person()] as const;
    const viewer = await viewerOf(...people);
    const own = await Promise.all(people.map((author) => story(author, 10)));
    await story(people[0], 25 * 60);
    expect((await stories(viewer)).toSorted()).toEqual(own.toSorted());
    await world.tell(happened('StoryDeleted', { storyId: own[0]!, authorId: people[0] }));
    await world.tell(happened('AccountMuted', { muterId: viewer, mutedId: people[1] }));
    await world.tell(happened('AccountBlocked', { blockerId: people[2], blockedId: viewer }));
    expect(await stories(viewer)).toEqual([own[3]]);
    await world.tell(happened('FollowEnded', { followerId: viewer, followeeId: people[3], reason: 'unfollowed' }));
    expect(await stories(viewer)).toEqual([]);
  });

  it('shows a story for close friends to close friends alone, as long as they are', async () => {
    const ann = await person();
    const [friend, other] = [await viewerOf(ann), await viewerOf(ann)];
    expect([await stories(friend), await stories(other)]).toEqual([[], []]);
    await world.tell(happened('CloseFriendAdded', { accountId: ann, friendId: friend }));
    const secret = await story(ann, 5, 'close_friends');
    expect([await stories(friend), await stories(other)]).toEqual([[secret], []]);
    await world.tell(
      happened('CloseFriendRemoved', { accountId: ann, friendId: friend }),
      happened('CloseFriendAdded', { accountId: ann, friendId: other }),
    );
    expect([await stories(friend), await stories(other)]).toEqual([[], [secret]]);
  });

  it("keeps a private account's stories to accepted followers, and shows one's own to nobody but followers", async () => {
    const priv = await world.person('closed', { privacy: 'private' });
    const [follower, asking] = [await viewerOf(priv), await person()];
    await world.tell(happened('FollowRequested', { followerId: asking, followeeId: priv }));
    const secret = await story(priv, 5);
    expect([await stories(follower), await stories(asking), await stories(priv)]).toEqual([[secret], [], []]);
    await world.tell(happened('FollowRequestAccepted', { followerId: asking, followeeId: priv }));
    expect(await stories(asking)).toEqual([secret]);
  });

  it('drops a story at the moment it expires, whatever the tray in Redis holds, and counts its views for its author alone', async () => {
    const ann = await person();
    const viewer = await viewerOf(ann);
    const only = await story(ann, 5);
    await view(viewer, ann, only);
    expect((await tray(viewer)).stories).toMatchObject([
      { items: [{ story_id: only, is_viewed: true, view_count: null }] },
    ]);
    world.clock.now = new Date(Date.now() + 24 * 3_600_000 - 6 * 60_000);
    expect(await stories(viewer)).toEqual([only]);
    world.clock.now = new Date(Date.now() + 24 * 3_600_000 - 4 * 60_000);
    expect(await stories(viewer)).toEqual([]);
    world.clock.now = new Date();
  });

  it("pulls the stories of celebrities, close friends' ones included", async () => {
    const star = await person();
    const [fan, friend] = [await viewerOf(star), await viewerOf(star)];
    const first = await story(star, 20);
    expect(await stories(fan)).toEqual([first]);
    await world.tell(
      happened('CelebrityStatusGranted', { accountId: star, followerCount: 10_000, threshold: 10_000 }),
      happened('CloseFriendAdded', { accountId: star, friendId: friend }),
    );
    const second = await story(star, 10, 'close_friends');
    expect([await stories(fan), await stories(friend)]).toEqual([[first], [first, second]]);
  });

  it('comes in pages', async () => {
    const followed = await Promise.all(Array.from({ length: 5 }, person));
    const viewer = await viewerOf(...followed);
    for (const [i, author] of followed.entries()) await story(author, i + 1);
    const first = await tray(viewer, '?limit=2');
    const second = await tray(viewer, `?limit=2&cursor=${first.pagination.next_cursor ?? ''}`);
    const third = await tray(viewer, `?limit=2&cursor=${second.pagination.next_cursor ?? ''}`);
    expect([first, second, third].map((page) => page.stories.map(({ user }) => user.user_id))).toEqual([
      followed.slice(0, 2),
      followed.slice(2, 4),
      followed.slice(4),
    ]);
    expect(third.pagination.next_cursor).toBeNull();
  });
});
