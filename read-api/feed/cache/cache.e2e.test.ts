import fc from 'fast-check';
import { Cluster } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, PostId } from '../../../domain/ids.ts';
import { newId } from '../../../infra/ids.ts';
import { openFeedWorld, type FeedWorld } from '../../../testing/feed-world.ts';
import { aPost, erased } from '../../../testing/facts.ts';
import { happened, type Fact } from '../../../testing/projection-spec.ts';
import { eventually } from '../../../testing/projector-world.ts';
import { functionCalls } from '../../../testing/redis-contents.ts';

// Goal: a reader that keeps what it has read shows what the models say, to clients without a token too.
// Method: readers as in the read API, asked without tokens; changes are told to the log and go the whole way.
let world: FeedWorld;
beforeAll(async () => {
  world = await openFeedWorld({ keeping: true });
});
afterAll(() => world.close());

const NO_TOKEN = { headers: { 'Consistency-Token': '' } };
const PATIENT = { timeout: 30_000 };
let people = 0;
const person = () => world.person(`person${String((people += 1))}`);
const post = (author: AccountId, minutes = 1) =>
  world.post(author, { publishedAt: new Date(Date.now() - minutes * 60_000).toISOString() });

type Shown = {
  post_id: string;
  caption: string | null;
  is_liked: boolean;
  is_saved: boolean;
  like_count: number;
  comment_count: number;
  user: { full_name: string | null };
};
const kept = async (viewer: AccountId) =>
  ((await world.feed(viewer, '?order=latest', NO_TOKEN)).body as { posts: Shown[] }).posts;
const keptIds = async (viewer: AccountId) => (await kept(viewer)).map(({ post_id }) => post_id);
const asked = async (viewer: AccountId) =>
  ((await world.feed(viewer, '?order=latest')).body as { posts: Shown[] }).posts;

/** Two viewers of two authors' posts, who have read and go on reading without a token. */
async function scene() {
  const [ann, ben] = [await person(), await person()];
  const [viewer, other] = [await person(), await person()];
  for (const follower of [viewer, other]) for (const author of [ann, ben]) await world.follow(follower, author);
  const [a, b] = [await post(ann, 2), await post(ben, 1)];
  for (const reader of [viewer, other]) expect((await asked(reader)).map(({ post_id }) => post_id)).toEqual([b, a]);
  return { ann, ben, viewer, other, a, b };
}

/** What may happen between these people, each chosen by a number. */
function anything(authors: readonly AccountId[], viewers: readonly AccountId[]): ((n: number) => Fact[])[] {
  const posts: { postId: PostId; authorId: AccountId }[] = [];
  const one = (from: readonly AccountId[], n: number) => from[n % from.length] ?? newId.account();
  const pair = (n: number) => ({ followerId: one(viewers, n >> 2), followeeId: one(authors, n) });
  const mute = (n: number) => ({ muterId: one(viewers, n >> 2), mutedId: one(authors, n) });
  const aboutPost =
    (fact: (post: { postId: PostId; authorId: AccountId }, viewer: AccountId, n: number) => Fact) =>
    (n: number): Fact[] => {
      const known = posts[(n >> 1) % Math.max(1, posts.length)];
      return known === undefined ? [] : [fact(known, one(viewers, n >> 2), n)];
    };
  return [
    (n) => [happened('AccountFollowed', pair(n))],
    (n) => [happened('FollowEnded', { ...pair(n), reason: 'unfollowed' })],
    (n) => [happened('AccountMuted', mute(n))],
    (n) => [happened('AccountUnmuted', mute(n))],
    (n) => [happened(n % 2 === 0 ? 'AccountMadePrivate' : 'AccountMadePublic', { accountId: one(authors, n >> 1) })],
    (n) => {
      const made = { postId: newId.post(), authorId: one(authors, n) };
      posts.push(made);
      return [aPost.created(made), aPost.published(made, new Date(Date.now() - n * 1_000).toISOString())];
    },
    aboutPost((post, accountId, n) => happened(n % 2 === 0 ? 'PostLiked' : 'PostUnliked', { ...post, accountId })),
    aboutPost(({ postId }, accountId, n) => happened(n % 2 === 0 ? 'PostSaved' : 'PostUnsaved', { postId, accountId })),
    aboutPost((post, _, n) => happened(n % 2 === 0 ? 'PostArchived' : 'PostUnarchived', post)),
  ];
}

describe('a feed that is kept', () => {
  it('is answered again without PostgreSQL and without Redis, as long as nothing happens to it', async () => {
    // In a cluster indexes are asked for each time (ADR 14).
    const { viewer, a, b } = await scene();
    await world.settled();
    await expect
      .poll(async () => {
        world.trouble.failing = undefined;
        await kept(viewer);
        world.trouble.failing = 'post_facts';
        const before = await functionCalls(world.redis);
        const { status, ids } = await world.feed(viewer, '?order=latest', NO_TOKEN);
        return { status, ids, asksRedis: (await functionCalls(world.redis)) > before };
      }, PATIENT)
      .toEqual({ status: 200, ids: [b, a], asksRedis: world.redis instanceof Cluster });
    world.trouble.failing = undefined;
  });

  it('shows what others and the viewer do, to those concerned', async () => {
    const { ann, viewer, other, a } = await scene();
    const of = async (reader: AccountId) => (await kept(reader)).find(({ post_id }) => post_id === a);
    await world.tell(happened('PostLiked', { postId: a, accountId: viewer, authorId: ann }));
    await expect.poll(() => of(viewer), PATIENT).toMatchObject({ is_liked: true, like_count: 1 });
    await expect.poll(() => of(other), PATIENT).toMatchObject({ is_liked: false, like_count: 1 });
    await world.tell(
      happened('PostUnliked', { postId: a, accountId: viewer, authorId: ann }),
      happened('PostSaved', { postId: a, accountId: other }),
    );
    await expect.poll(() => of(viewer), PATIENT).toMatchObject({ is_liked: false, is_saved: false, like_count: 0 });
    await expect.poll(() => of(other), PATIENT).toMatchObject({ is_saved: true });
    await world.tell(
      happened('CommentAdded', {
        commentId: newId.comment(),
        postId: a,
        postAuthorId: ann,
        accountId: other,
        parentCommentId: null,
        text: 'Yes',
      }),
    );
    await expect.poll(() => of(viewer), PATIENT).toMatchObject({ comment_count: 1 });
    await world.tell(
      happened('CaptionEdited', { postId: a, authorId: ann, caption: 'Better' }),
      happened('ProfileEdited', { accountId: ann, fullName: 'Ann Other' }),
    );
    await expect.poll(() => of(viewer), PATIENT).toMatchObject({ caption: 'Better', user: { full_name: 'Ann Other' } });
  });

  it('loses what the viewer may not see any more, and gets it back', async () => {
    const { ann, ben, viewer, other, a, b } = await scene();
    const change = async (...facts: Fact[]) => {
      await world.tell(...facts);
      await world.settled();
    };
    const both = async (own: PostId[], others: PostId[]) => {
      await expect.poll(() => keptIds(viewer), PATIENT).toEqual(own);
      await expect.poll(() => keptIds(other), PATIENT).toEqual(others);
    };
    await change(happened('AccountMuted', { muterId: viewer, mutedId: ann }));
    await both([b], [b, a]);
    await change(
      happened('AccountUnmuted', { muterId: viewer, mutedId: ann }),
      happened('AccountBlocked', { blockerId: ben, blockedId: other }),
      happened('FollowEnded', { followerId: other, followeeId: ben, reason: 'unfollowed' }),
    );
    await both([b, a], [a]);
    await change(
      happened('PostArchived', { postId: a, authorId: ann }),
      happened('FollowEnded', { followerId: viewer, followeeId: ben, reason: 'unfollowed' }),
    );
    await both([], []);
    await change(happened('PostUnarchived', { postId: a, authorId: ann }));
    await both([a], [a]);
    await change(erased(ann));
    await both([], []);
  });

  it('is asked of the models while announcements may be missed, and kept again later', async () => {
    const { ann, viewer, a, b } = await scene();
    await kept(viewer);
    await world.pool.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'shutterlog-changes' and datname = current_database()",
    );
    await world.tell(happened('PostLiked', { postId: a, accountId: viewer, authorId: ann }));
    await expect
      .poll(async () => (await kept(viewer)).map(({ post_id, is_liked }) => [post_id, is_liked]), PATIENT)
      .toEqual([
        [b, false],
        [a, true],
      ]);
    await expect
      .poll(async () => {
        await kept(viewer);
        world.trouble.failing = 'post_facts';
        const { status } = await world.feed(viewer, '?order=latest', NO_TOKEN);
        world.trouble.failing = undefined;
        return status;
      }, PATIENT)
      .toBe(200);
  });

  it('says what the models say, whatever happened between any two readings', async () => {
    const authors = [await person(), await person(), await person()];
    const viewers = [await person(), await person()];
    const happenings = anything(authors, viewers);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(happenings.length - 1), fc.nat(1_000)), { minLength: 5, maxLength: 25 }),
        async (history) => {
          for (const [kind, n] of history) {
            const facts = happenings[kind]?.(n) ?? [];
            if (facts.length > 0) await world.tell(...facts);
            for (const viewer of viewers) await kept(viewer);
          }
          await world.settled();
          for (const viewer of viewers) {
            const truth = JSON.stringify(await asked(viewer));
            await eventually(
              'a reader without a token sees what one with a token sees',
              async () => JSON.stringify(await kept(viewer)) === truth,
              20_000,
            );
          }
        },
      ),
      { numRuns: 8 },
    );
  }, 180_000);
});
