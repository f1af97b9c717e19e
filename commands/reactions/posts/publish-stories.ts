import { StoryId } from '../../../domain/ids.ts';
import { showingFrom, storyDecider, type StoryCommand } from '../../../domain/story.ts';
import { streamOf } from '../../../domain/streams.ts';
import type { Pool } from '../../../infra/postgres.ts';
import { handle, loadState, type CommandContext, type Log } from '../../handle.ts';
import { AWAITED_MEDIA_DDL, awaitMedia, judgeMedia, stopWaiting, waitersFor } from './awaited-media.ts';
import type { Reaction } from '../reaction.ts';

const NAME = 'publish-stories';

/**
 * Publishes a story when its medium is ready, or rejects it when that cannot be shown; its day begins with the
 * publication.
 */
export function publishStories(deps: Log & { readonly pool: Pool }): Reaction {
  const { pool } = deps;
  return {
    name: NAME,
    handles: ['StoryPosted', 'StoryDeleted', 'MediaProcessed', 'MediaRejected', 'MediaDeleted'],
    ddl: AWAITED_MEDIA_DDL,
    react: async (event, context) => {
      switch (event.type) {
        case 'StoryPosted':
          await awaitMedia(pool, NAME, event.data.storyId, [event.data.mediaId]);
          return settle(deps, context, event.data.storyId);
        case 'StoryDeleted':
          return stopWaiting(pool, NAME, event.data.storyId);
        case 'MediaProcessed':
        case 'MediaRejected':
        case 'MediaDeleted':
          for (const waiter of await waitersFor(pool, NAME, event.data.mediaId))
            await settle(deps, context, StoryId.parse(waiter));
          return;
        default:
          throw new Error(`${NAME} does not handle ${event.type}`);
      }
    },
  };
}

async function settle(deps: Log & { readonly pool: Pool }, context: CommandContext, storyId: StoryId): Promise<void> {
  const story = await loadState(deps, storyDecider, streamOf.story(storyId));
  if (story.status === 'processing') {
    const verdict = await judgeMedia(deps, [story.mediaId]);
    if (verdict.status === 'waiting') return;
    const command: StoryCommand =
      verdict.status === 'ready'
        ? { type: 'PublishStory', showing: showingFrom(context.now.getTime()) }
        : { type: 'RejectStory', reason: verdict.reason };
    await handle(deps, context, {
      decider: storyDecider,
      streamId: streamOf.story(storyId),
      command,
      owners: ({ data }) => [data.authorId],
    });
  }
  await stopWaiting(deps.pool, NAME, storyId);
}
