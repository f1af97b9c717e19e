import { z } from 'zod';
import { commentDecider } from '../../domain/comment.ts';
import { refuse } from '../../domain/decider.ts';
import { AccountId, CommentId } from '../../domain/ids.ts';
import { streamOf } from '../../domain/streams.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';
import { seeComment } from './see-comment.ts';

export const DeleteCommentInput = z.object({ accountId: AccountId, commentId: CommentId });
export type DeleteCommentInput = z.infer<typeof DeleteCommentInput>;

/** Deletes a comment for its writer or the post's author; to others a comment that they may not see is not there. */
export async function deleteComment(log: Log, context: CommandContext, { accountId, commentId }: DeleteCommentInput) {
  const handled = await handle(log, context, {
    decider: commentDecider,
    streamId: streamOf.comment(commentId),
    command: { type: 'DeleteComment', by: accountId },
    owners: ({ data }) => [data.postId],
  });
  if (handled.ok || handled.refusal.code !== 'comment_not_yours') return handled;
  const seen = await seeComment(log, accountId, commentId);
  return seen.visible ? handled : refuse('comment_not_found');
}
