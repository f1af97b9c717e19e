import { PostId } from '../../../domain/ids.ts';
import { postDecider, type PostCommand } from '../../../domain/post.ts';
import { streamOf } from '../../../domain/streams.ts';
import type { Pool } from '../../../infra/postgres.ts';
import { handle, loadState, type CommandContext, type Log } from '../../handle.ts';
import { AWAITED_MEDIA_DDL, awaitMedia, judgeMedia, stopWaiting, waitersFor } from './awaited-media.ts';
import type { Reaction } from '../reaction.ts';

const NAME = 'publish-posts';

/**
 * Publishes a post when all its media are ready, or rejects it when one cannot be shown. It looks from both sides: a
 * new post at the streams of its media, settled media at the posts that wait for them; so neither can slip past the
 * other.
 */
export function publishPosts(deps: Log & { readonly pool: Pool }): Reaction {
  const { pool } = deps;
  return {
    name: NAME,
    handles: ['PostCreated', 'PostDeleted', 'MediaProcessed', 'MediaRejected', 'MediaDeleted'],
    ddl: AWAITED_MEDIA_DDL,
    react: async (event, context) => {
      switch (event.type) {
        case 'PostCreated':
          await awaitMedia(pool, NAME, event.data.postId, event.data.mediaIds);
          return settle(deps, context, event.data.postId);
        case 'PostDeleted':
          return stopWaiting(pool, NAME, event.data.postId);
        case 'MediaProcessed':
        case 'MediaRejected':
        case 'MediaDeleted':
          for (const waiter of await waitersFor(pool, NAME, event.data.mediaId))
            await settle(deps, context, PostId.parse(waiter));
          return;
        default:
          throw new Error(`${NAME} does not handle ${event.type}`);
      }
    },
  };
}

async function settle(deps: Log & { readonly pool: Pool }, context: CommandContext, postId: PostId): Promise<void> {
  const post = await loadState(deps, postDecider, streamOf.post(postId));
  if (post.status === 'processing') {
    const verdict = await judgeMedia(deps, post.mediaIds);
    if (verdict.status === 'waiting') return;
    const command: PostCommand =
      verdict.status === 'ready'
        ? { type: 'PublishPost', publishedAt: context.now.toISOString() }
        : { type: 'RejectPost', reason: verdict.reason };
    await handle(deps, context, {
      decider: postDecider,
      streamId: streamOf.post(postId),
      command,
      owners: ({ data }) => [data.authorId],
    });
  }
  await stopWaiting(deps.pool, NAME, postId);
}
