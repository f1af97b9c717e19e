import { z } from 'zod';
import { AccountId, PostId } from '../../domain/ids.ts';
import { likeDecider, type LikeCommand } from '../../domain/like.ts';
import { streamOf } from '../../domain/streams.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';
import { seePost } from './see-post.ts';

export const LikePostInput = z.object({ accountId: AccountId, postId: PostId });
export type LikePostInput = z.infer<typeof LikePostInput>;

/** Likes a post; liking it again changes nothing. Refuses with `post_not_found` when the account may not see it. */
export function likePost(log: Log, context: CommandContext, input: LikePostInput) {
  return change(log, context, { type: 'LikePost', ...input });
}

/**
 * Takes a like back; without one it changes nothing. Refuses with `post_not_found` when the account may not see the
 * post.
 */
export function unlikePost(log: Log, context: CommandContext, input: LikePostInput) {
  return change(log, context, { type: 'UnlikePost', ...input });
}

async function change(log: Log, context: CommandContext, command: Omit<LikeCommand, 'post'>) {
  const { postId, accountId } = command;
  const post = await seePost(log, accountId, postId);
  return handle(log, context, {
    decider: likeDecider,
    streamId: streamOf.like(postId, accountId),
    command: { ...command, post },
    owners: () => [postId],
    opens: true,
  });
}
