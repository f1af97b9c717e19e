import { z } from 'zod';
import { commentLikeDecider, type CommentLikeCommand } from '../../domain/comment-like.ts';
import { AccountId, CommentId } from '../../domain/ids.ts';
import { streamOf } from '../../domain/streams.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';
import { seeComment } from './see-comment.ts';

export const LikeCommentInput = z.object({ accountId: AccountId, commentId: CommentId });
export type LikeCommentInput = z.infer<typeof LikeCommentInput>;

/**
 * Likes a comment; liking it again changes nothing. Refuses with `comment_not_found` when the account may not see it.
 */
export function likeComment(log: Log, context: CommandContext, input: LikeCommentInput) {
  return change(log, context, { type: 'LikeComment', ...input });
}

/**
 * Takes a like back; without one it changes nothing. Refuses with `comment_not_found` when the account may not see the
 * comment.
 */
export function unlikeComment(log: Log, context: CommandContext, input: LikeCommentInput) {
  return change(log, context, { type: 'UnlikeComment', ...input });
}

async function change(log: Log, context: CommandContext, command: Omit<CommentLikeCommand, 'comment'>) {
  const { commentId, accountId } = command;
  const comment = await seeComment(log, accountId, commentId);
  return handle(log, context, {
    decider: commentLikeDecider,
    streamId: streamOf.commentLike(commentId, accountId),
    command: { ...command, comment },
    owners: ({ data }) => [data.postId],
  });
}
