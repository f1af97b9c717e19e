import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, CommentId, PostId, StoryId } from '../domain/ids.ts';
import { newId } from '../infra/ids.ts';
import { erased } from '../testing/facts.ts';
import { openFeedWorld, type FeedWorld } from '../testing/feed-world.ts';
import { happened, type Fact } from '../testing/projection-spec.ts';

let world: FeedWorld;
beforeAll(async () => {
  world = await openFeedWorld({ keeping: true });
});
afterAll(() => world.close());

type Body = Record<string, unknown> & { readonly pagination?: { readonly has_more: boolean } };

async function read(path: string, viewer: AccountId): Promise<Body | undefined> {
  const { status, body } = await world.get(path, viewer);
  return status === 200 ? (body as Body) : undefined;
}

async function listed<T = unknown>(path: string, key: string, viewer: AccountId): Promise<T[]> {
  const body = await read(`${path}?limit=100`, viewer);
  expect(body?.pagination?.has_more ?? false).toBe(false);
  return (body?.[key] ?? []) as T[];
}

const PEOPLE = 5;
const usernames = new Map<AccountId, string>();
const who = fc.nat(PEOPLE - 1);
const action = fc.record({ does: fc.nat(9), who, whom: who, which: fc.nat(3) });
type Action = { readonly does: number; readonly who: number; readonly whom: number; readonly which: number };
type Place = { readonly author: AccountId; readonly postId: PostId; readonly storyId: StoryId };

/** What the actions mean, as a log would hold it; those of erased accounts too, which came late. */
function factsOf(actions: readonly Action[], people: readonly AccountId[], { author, postId, storyId }: Place): Fact[] {
  const comments: CommentId[] = [];
  const gone = new Set<AccountId>([author]);
  const add = (accountId: AccountId, parentCommentId: CommentId | undefined) => {
    const commentId = newId.comment();
    if (parentCommentId === undefined) comments.push(commentId);
    return happened('CommentAdded', {
      commentId,
      postId,
      postAuthorId: author,
      accountId,
      parentCommentId: parentCommentId ?? null,
      text: 'hello',
    });
  };
  const erase = (accountId: AccountId, which: number) => {
    if (which > 0 || gone.has(accountId)) return [];
    gone.add(accountId);
    return erased(accountId);
  };
  type Make = (one: AccountId, other: AccountId, which: number) => Fact | Fact[];
  const makers: readonly Make[] = [
    (one) => happened('PostLiked', { postId, accountId: one, authorId: author }),
    (one) => add(one, undefined),
    (one, _other, which) => add(one, comments[which]),
    (one, _other, which) =>
      comments[which] === undefined
        ? []
        : happened('CommentLiked', { commentId: comments[which], postId, accountId: one }),
    (one) => happened('StoryViewed', { storyId, authorId: author, accountId: one }),
    (one, other) => (one === other ? [] : happened('AccountFollowed', { followerId: one, followeeId: other })),
    (one, other) => (one === other ? [] : happened('AccountFollowed', { followerId: other, followeeId: one })),
    (one, other) => (one === other ? [] : happened('AccountBlocked', { blockerId: one, blockedId: other })),
    (one, other) => (one === other ? [] : happened('AccountUnblocked', { blockerId: one, blockedId: other })),
    (one, _other, which) => erase(one, which),
  ];
  return actions.flatMap(({ does, who: i, whom: j, which }) => makers[does]!(people[i]!, people[j]!, which));
}

/**
 * Compares a post's counts with its lists, and with what feeds say; how many comments the viewer sees, if any of it.
 */
async function commentsSeen(viewer: AccountId, { postId }: Place): Promise<number | undefined> {
  const path = `/v1/posts/${postId}`;
  const post = await read(path, viewer);
  if (post === undefined) return undefined;
  expect(post['like_count'], 'likes').toBe((await listed(`${path}/likes`, 'users', viewer)).length);
  const comments = await listed<{ comment_id: string; reply_count: number }>(`${path}/comments`, 'comments', viewer);
  let seen = comments.length;
  for (const { comment_id, reply_count } of comments) {
    const found = (await listed(`/v1/comments/${comment_id}/replies`, 'replies', viewer)).length;
    expect(reply_count, 'replies').toBe(found);
    seen += found;
  }
  expect(post['comment_count'], 'comments').toBe(seen);
  // In a feed facts are kept for all, and what a viewer's blocks take is taken off.
  const feed = (await world.feed(viewer)).body['posts'] as { post_id: string }[];
  const counts = { like_count: post['like_count'], comment_count: post['comment_count'] };
  for (const each of feed.filter(({ post_id }) => post_id === postId)) expect(each).toMatchObject(counts);
  return seen;
}

async function expectFollows(viewer: AccountId, people: readonly AccountId[]): Promise<void> {
  for (const other of people) {
    const path = `/v1/users/${usernames.get(other) ?? ''}`;
    const profile = await read(path, viewer);
    if (profile === undefined) continue;
    expect(profile['follower_count'], 'followers').toBe((await listed(`${path}/followers`, 'users', viewer)).length);
    expect(profile['following_count'], 'following').toBe((await listed(`${path}/following`, 'users', viewer)).length);
  }
}

async function expectViews({ author, storyId }: Place): Promise<void> {
  const viewers = await read(`/v1/stories/${storyId}/viewers?limit=100`, author);
  expect(viewers?.['view_count'], 'story views').toBe((viewers?.['viewers'] as unknown[]).length);
  const stories = await listed<{ view_count: number }>(
    `/v1/users/${usernames.get(author) ?? ''}/stories`,
    'stories',
    author,
  );
  expect(stories).toMatchObject([{ view_count: viewers?.['view_count'] }]);
}

async function somePeople(): Promise<AccountId[]> {
  const people: AccountId[] = [];
  for (let i = 0; i < PEOPLE; i += 1) {
    const name = `p${randomBytes(6).toString('hex')}`;
    people.push(await world.person(name));
    usernames.set(people[i]!, name);
  }
  return people;
}

describe('a count', () => {
  it('is as long as the list behind it, to every viewer, whoever is blocked or erased', async () => {
    let [refused, fewer] = [0, 0];
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 40 }), async (actions) => {
        const people = await somePeople();
        const author = people[0]!;
        const place = { author, postId: await world.post(author), storyId: await world.story(author) };
        await world.follow(people[1]!, author);
        const facts = factsOf(actions, people, place);
        if (facts.length > 0) await world.tell(...facts);
        const said = facts.filter(({ type }) => type === 'CommentAdded').length;
        for (const viewer of people) {
          const seen = await commentsSeen(viewer, place);
          refused += Number(seen === undefined);
          fewer += Number(seen !== undefined && seen < said);
          await expectFollows(viewer, people);
        }
        await expectViews(place);
      }),
      { numRuns: 8 },
    );
    // The property has met both kinds of viewers.
    expect(Math.min(refused, fewer)).toBeGreaterThan(0);
  }, 120_000);
});
