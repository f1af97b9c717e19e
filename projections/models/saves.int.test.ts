import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, PostId } from '../../domain/ids.ts';
import { aPost, erased, several } from '../../testing/facts.ts';
import { happened, openProjectionSpec, type ProjectionSpec } from '../../testing/projection-spec.ts';
import { saves } from './saves.ts';

let spec: ProjectionSpec;
beforeAll(async () => {
  spec = await openProjectionSpec(saves);
});
afterAll(() => spec.close());

const [author, ann, ben] = several.accounts(3) as [AccountId, AccountId, AccountId];
const [post, other] = several.posts(2) as [PostId, PostId];
const saved = (postId: PostId, accountId: AccountId) => happened('PostSaved', { postId, accountId });

describe('saves', () => {
  it('keeps a saved post until it is taken out again', async () => {
    const { tables } = await spec.project([
      saved(post, ann),
      saved(post, ben),
      saved(other, ann),
      happened('PostUnsaved', { postId: post, accountId: ann }),
    ]);
    expect(tables['post_save']).toMatchObject([
      { post_id: post, account_id: ben },
      { post_id: other, account_id: ann },
    ]);
    expect(tables['save_count']).toEqual([
      { post_id: post, saves: '1' },
      { post_id: other, saves: '1' },
    ]);
  });

  it('takes a deleted post out of every collection, and drops the collection of an erased account', async () => {
    const { tables } = await spec.project([
      saved(post, ann),
      saved(post, ben),
      saved(other, ann),
      saved(other, ben),
      aPost.deleted({ postId: post, authorId: author }),
      erased(ann),
    ]);
    expect(tables['post_save']).toMatchObject([{ post_id: other, account_id: ben }]);
    expect(tables['save_count']).toEqual([{ post_id: other, saves: '1' }]);
  });
});
