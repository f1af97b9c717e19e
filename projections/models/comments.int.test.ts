import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, CommentId, PostId } from '../../domain/ids.ts';
import { aPost, erased, several } from '../../testing/facts.ts';
import { happened, openProjectionSpec, type Fact, type ProjectionSpec } from '../../testing/projection-spec.ts';
import { comments } from './comments.ts';

let spec: ProjectionSpec;
beforeAll(async () => {
  spec = await openProjectionSpec(comments);
});
afterAll(() => spec.close());

const [author, ann, ben] = several.accounts(3) as [AccountId, AccountId, AccountId];
const [post, other] = several.posts(2) as [PostId, PostId];
const [c1, c2, c3, c4] = several.comments(4) as [CommentId, CommentId, CommentId, CommentId];
const added = (commentId: CommentId, accountId: AccountId, options: { on?: PostId; to?: CommentId } = {}) =>
  happened('CommentAdded', {
    commentId,
    postId: options.on ?? post,
    postAuthorId: author,
    accountId,
    parentCommentId: options.to ?? null,
    text: `by ${accountId}`,
  });
const deleted = (commentId: CommentId, on = post) =>
  happened('CommentDeleted', { commentId, postId: on, deletedBy: author });
const liked = (commentId: CommentId, accountId: AccountId) =>
  happened('CommentLiked', { commentId, postId: post, accountId });
const unliked = (commentId: CommentId, accountId: AccountId) =>
  happened('CommentUnliked', { commentId, postId: post, accountId });

/** No comment is added twice, and none is answered before it is there. */
function asItCanHappen(history: readonly Fact[]): Fact[] {
  const there = new Set<unknown>([null]);
  return history.filter(({ type, data }) => {
    if (type !== 'CommentAdded') return true;
    if (there.has(data['commentId']) || !there.has(data['parentCommentId'])) return false;
    there.add(data['commentId']);
    return true;
  });
}

describe('comments', () => {
  it('counts comments and replies on the post, and replies on their comment', async () => {
    const { tables } = await spec.project([
      added(c1, ann),
      added(c2, ben, { to: c1 }),
      added(c3, ann, { to: c1 }),
      added(c4, ann, { on: other }),
    ]);
    expect(tables['comment_count']).toEqual([
      { post_id: post, comments: '3' },
      { post_id: other, comments: '1' },
    ]);
    expect(tables['comment']!.map((row) => row['replies'])).toEqual(['2', '0', '0', '0']);
  });

  it('takes a deleted comment with its replies and their likes', async () => {
    const { tables } = await spec.project([
      added(c1, ann),
      added(c2, ben, { to: c1 }),
      added(c3, ben),
      liked(c1, ben),
      liked(c2, ann),
      liked(c3, ann),
      deleted(c1),
    ]);
    expect(tables['comment']).toMatchObject([{ comment_id: c3 }]);
    expect(tables['comment_count']).toEqual([{ post_id: post, comments: '1' }]);
    expect(tables['comment_like_count']).toEqual([{ comment_id: c3, likes: '1' }]);
  });

  it('lowers the count of replies when one is deleted', async () => {
    const { tables } = await spec.project([
      added(c1, ann),
      added(c2, ben, { to: c1 }),
      added(c3, ben, { to: c1 }),
      deleted(c2),
    ]);
    expect(tables['comment']).toMatchObject([{ comment_id: c1, replies: '1' }, { comment_id: c3 }]);
  });

  it('shows neither a reply nor a like that arrives after its comment is gone', async () => {
    const { tables } = await spec.project([added(c1, ann), deleted(c1), added(c2, ben, { to: c1 }), liked(c1, ben)]);
    expect(tables).toMatchObject({ comment: [], comment_count: [], comment_like: [], comment_like_count: [] });
  });

  it('drops all comments of a deleted post', async () => {
    const { tables } = await spec.project([
      added(c1, ann),
      added(c2, ben, { to: c1 }),
      added(c4, ann, { on: other }),
      liked(c2, ann),
      aPost.deleted({ postId: post, authorId: author }),
    ]);
    expect(tables).toMatchObject({
      comment: [{ comment_id: c4 }],
      comment_count: [{ post_id: other, comments: '1' }],
      comment_like: [],
    });
  });

  it('drops what an erased account wrote and liked, with the replies to it, also a comment that was on its way', async () => {
    const { tables } = await spec.project([
      added(c1, ann),
      added(c2, ben, { to: c1 }),
      added(c3, ben),
      added(c4, ann, { to: c3 }),
      liked(c3, ann),
      liked(c3, author),
      erased(ann),
    ]);
    expect(tables['comment']).toMatchObject([{ comment_id: c3, replies: '0' }]);
    expect(tables['comment_count']).toEqual([{ post_id: post, comments: '1' }]);
    expect(tables['comment_like_count']).toEqual([{ comment_id: c3, likes: '1' }]);
    expect((await spec.project([erased(ann), added(c1, ann)])).tables).toMatchObject({
      comment: [],
      comment_count: [],
    });
  });

  it('counts its own rows however a random history is cut into batches', async () => {
    const account = fc.constantFrom(author, ann, ben);
    const comment = fc.constantFrom(c1, c2, c3);
    const fact: fc.Arbitrary<Fact> = fc.oneof(
      { weight: 2, arbitrary: fc.tuple(fc.constantFrom(c1, c3), account).map(([c, a]) => added(c, a)) },
      { weight: 2, arbitrary: fc.tuple(fc.constantFrom(c2, c4), account).map(([c, a]) => added(c, a, { to: c1 })) },
      { weight: 2, arbitrary: fc.tuple(comment, account).map(([c, a]) => liked(c, a)) },
      fc.tuple(comment, account).map(([c, a]) => unliked(c, a)),
      comment.map((c) => deleted(c)),
      account.map(erased),
      fc.constant(aPost.deleted({ postId: post, authorId: author })),
    );
    const history = fc.array(fact, { maxLength: 20 }).map(asItCanHappen);
    await fc.assert(
      fc.asyncProperty(
        history,
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
        async (facts, splits) => {
          const { tables } = await spec.project(facts, splits);
          expect(Number(tables['comment_count']![0]?.['comments'] ?? 0)).toBe(tables['comment']!.length);
          for (const row of tables['comment']!) {
            expect(Number(row['replies'])).toBe(
              tables['comment']!.filter((reply) => reply['parent_comment_id'] === row['comment_id']).length,
            );
            const likes = tables['comment_like']!.filter((like) => like['comment_id'] === row['comment_id']).length;
            expect(
              Number(
                tables['comment_like_count']!.find((count) => count['comment_id'] === row['comment_id'])?.['likes'] ??
                  0,
              ),
            ).toBe(likes);
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});
