import { z } from 'zod';
import { AccountId, StoryId } from '../../domain/ids.ts';
import { storyViewDecider } from '../../domain/story-view.ts';
import { streamOf } from '../../domain/streams.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';
import { seeStory } from './see-story.ts';

export const ViewStoryInput = z.object({ accountId: AccountId, storyId: StoryId });
export type ViewStoryInput = z.infer<typeof ViewStoryInput>;

/**
 * Notes an account's first look at a story. Refuses with `story_not_found` when it has run out or is not for the
 * account.
 */
export async function viewStory(log: Log, context: CommandContext, { accountId, storyId }: ViewStoryInput) {
  const story = await seeStory(log, accountId, storyId, context.now);
  return handle(log, context, {
    decider: storyViewDecider,
    streamId: streamOf.storyView(storyId, accountId),
    command: { type: 'ViewStory', storyId, accountId, story },
    owners: ({ data }) => [data.accountId, data.authorId],
    opens: true,
  });
}
