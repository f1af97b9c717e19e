import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId, StoryId } from '../../domain/ids.ts';
import { erased, several } from '../../testing/facts.ts';
import { happened, openProjectionSpec, type ProjectionSpec } from '../../testing/projection-spec.ts';
import { stories } from './stories.ts';

let spec: ProjectionSpec;
beforeAll(async () => {
  spec = await openProjectionSpec(stories);
});
afterAll(() => spec.close());

const [authorId, other] = several.accounts(2) as [AccountId, AccountId];
const [story, second] = several.stories(2) as [StoryId, StoryId];
const [mediaId] = several.media(1) as [MediaId];
const posted = (storyId: StoryId, by = authorId) =>
  happened('StoryPosted', { storyId, authorId: by, mediaId, durationMs: 5_000, audience: 'close_friends' });
const published = (storyId: StoryId, by = authorId) =>
  happened('StoryPublished', {
    storyId,
    authorId: by,
    audience: 'close_friends',
    publishedAt: '2026-01-01T00:00:00.000Z',
    expiresAt: '2026-01-02T00:00:00.000Z',
  });

describe('stories', () => {
  it('shows a story from its publication with the time that it expires at', async () => {
    const { tables } = await spec.project([posted(story), published(story), posted(second)]);
    expect(tables['story']).toMatchObject([
      { status: 'published', audience: 'close_friends', expires_at: new Date('2026-01-02T00:00:00.000Z') },
      { status: 'processing', expires_at: null },
    ]);
  });

  it('keeps a deleted story deleted and says why one was rejected', async () => {
    const { tables } = await spec.project([
      posted(story),
      happened('StoryDeleted', { storyId: story, authorId }),
      published(story),
      posted(second),
      happened('StoryRejected', { storyId: second, authorId, reason: 'truncated' }),
    ]);
    expect(tables['story']).toMatchObject([
      { status: 'deleted', published_at: null },
      { status: 'rejected', reason: 'truncated' },
    ]);
  });

  it('deletes the stories of an erased account and no others', async () => {
    const { tables } = await spec.project([
      posted(story),
      published(story),
      posted(second, other),
      published(second, other),
      erased(authorId),
      published(story),
    ]);
    expect(tables['story']).toMatchObject([{ status: 'deleted' }, { status: 'published' }]);
  });
});
