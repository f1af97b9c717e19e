import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, StoryId } from '../../domain/ids.ts';
import { erased, several } from '../../testing/facts.ts';
import { happened, openProjectionSpec, type ProjectionSpec } from '../../testing/projection-spec.ts';
import { storyViews } from './story-views.ts';

let spec: ProjectionSpec;
beforeAll(async () => {
  spec = await openProjectionSpec(storyViews);
});
afterAll(() => spec.close());

const [authorId, ann, ben] = several.accounts(3) as [AccountId, AccountId, AccountId];
const [story, other] = several.stories(2) as [StoryId, StoryId];
const viewed = (storyId: StoryId, accountId: AccountId) => happened('StoryViewed', { storyId, authorId, accountId });

describe('story views', () => {
  it('counts every viewer once', async () => {
    const { tables } = await spec.project([viewed(story, ann), viewed(story, ben), viewed(other, ann)]);
    expect(tables['story_view']).toHaveLength(3);
    expect(tables['story_view_count']).toEqual([
      { story_id: story, views: '2' },
      { story_id: other, views: '1' },
    ]);
  });

  it('forgets the viewers of a deleted story and the views of an erased account', async () => {
    const { tables } = await spec.project([
      viewed(story, ann),
      viewed(story, ben),
      viewed(other, ann),
      viewed(other, ben),
      happened('StoryDeleted', { storyId: story, authorId }),
      erased(ben),
    ]);
    expect(tables['story_view']).toMatchObject([{ story_id: other, account_id: ann }]);
    expect(tables['story_view_count']).toEqual([{ story_id: other, views: '1' }]);
  });
});
