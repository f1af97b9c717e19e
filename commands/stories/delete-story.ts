import { z } from 'zod';
import { refuse } from '../../domain/decider.ts';
import { AccountId, StoryId } from '../../domain/ids.ts';
import { storyDecider } from '../../domain/story.ts';
import { streamOf } from '../../domain/streams.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';
import { seeStory } from './see-story.ts';

export const DeleteStoryInput = z.object({ accountId: AccountId, storyId: StoryId });
export type DeleteStoryInput = z.infer<typeof DeleteStoryInput>;

/**
 * Takes one's own story down. To others it is `story_not_yours` when they may see it, else it answers like a missing
 * one.
 */
export async function deleteStory(log: Log, context: CommandContext, { accountId, storyId }: DeleteStoryInput) {
  const handled = await handle(log, context, {
    decider: storyDecider,
    streamId: streamOf.story(storyId),
    command: { type: 'DeleteStory', by: accountId },
    owners: ({ data }) => [data.authorId],
  });
  if (handled.ok || handled.refusal.code !== 'story_not_yours') return handled;
  const seen = await seeStory(log, accountId, storyId, context.now);
  return seen.visible ? handled : refuse('story_not_found');
}
