import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, PostId } from '../../domain/ids.ts';
import { aPost, erased, several } from '../../testing/facts.ts';
import { happened, openProjectionSpec, type Fact, type ProjectionSpec } from '../../testing/projection-spec.ts';
import { likes } from './likes.ts';

let spec: ProjectionSpec;
beforeAll(async () => {
  spec = await openProjectionSpec(likes);
});
afterAll(() => spec.close());

const [author, ann, ben] = several.accounts(3) as [AccountId, AccountId, AccountId];
const [post, other] = several.posts(2) as [PostId, PostId];
const liked = (postId: PostId, accountId: AccountId, at?: string) =>
  happened('PostLiked', { postId, accountId, authorId: author }, at);
const unliked = (postId: PostId, accountId: AccountId) =>
  happened('PostUnliked', { postId, accountId, authorId: author });

describe('likes', () => {
  it('counts each account once for each post', async () => {
    const { tables } = await spec.project([liked(post, ann), liked(post, ben), liked(other, ann)]);
    expect(tables['like_count']).toEqual([
      { post_id: post, likes: '2' },
      { post_id: other, likes: '1' },
    ]);
  });

  it('takes a like back without a trace, and remembers when it was given again', async () => {
    expect((await spec.project([liked(post, ann), unliked(post, ann)])).tables).toEqual({
      erased_account: [],
      post_like: [],
      like_count: [],
    });
    const { tables } = await spec.project([
      liked(post, ann),
      unliked(post, ann),
      liked(post, ann, '2026-05-01T00:00:00.000Z'),
    ]);
    expect(tables['post_like']).toEqual([
      { post_id: post, account_id: ann, liked_at: new Date('2026-05-01T00:00:00.000Z') },
    ]);
    expect(tables['like_count']).toEqual([{ post_id: post, likes: '1' }]);
  });

  it('drops the likes of a deleted post and no other', async () => {
    const { tables } = await spec.project([
      liked(post, ann),
      liked(other, ann),
      aPost.deleted({ postId: post, authorId: author }),
    ]);
    expect(tables['post_like']).toMatchObject([{ post_id: other }]);
    expect(tables['like_count']).toEqual([{ post_id: other, likes: '1' }]);
  });

  it('takes back what an erased account liked, and lowers the counts', async () => {
    const { tables } = await spec.project([liked(post, ann), liked(post, ben), liked(other, ann), erased(ann)]);
    expect(tables['post_like']).toMatchObject([{ post_id: post, account_id: ben }]);
    expect(tables['like_count']).toEqual([{ post_id: post, likes: '1' }]);
  });

  it('counts its own rows however a random history is cut into batches', async () => {
    const account = fc.constantFrom(author, ann, ben);
    const onPost = fc.constantFrom(post, other);
    const fact: fc.Arbitrary<Fact> = fc.oneof(
      { weight: 5, arbitrary: fc.tuple(onPost, account).map(([p, a]) => liked(p, a)) },
      { weight: 3, arbitrary: fc.tuple(onPost, account).map(([p, a]) => unliked(p, a)) },
      { weight: 1, arbitrary: onPost.map((postId) => aPost.deleted({ postId, authorId: author })) },
      { weight: 1, arbitrary: account.map(erased) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fact, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
        async (history, splits) => {
          const { tables } = await spec.project(history, splits);
          for (const row of [post, other]) {
            const rows = tables['post_like']!.filter((one) => one['post_id'] === row).length;
            expect(Number(tables['like_count']!.find((one) => one['post_id'] === row)?.['likes'] ?? 0)).toBe(rows);
          }
        },
      ),
      { numRuns: 15 },
    );
  });
});
