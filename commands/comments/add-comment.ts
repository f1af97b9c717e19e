import { z } from 'zod';
import { commentDecider } from '../../domain/comment.ts';
import { AccountId, CommentId, PostId } from '../../domain/ids.ts';
import { LIMITS } from '../../domain/limits.ts';
import { streamOf } from '../../domain/streams.ts';
import { proseText } from '../../domain/text.ts';
import { idFromCommand } from '../../infra/ids.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';
import { loadVisibleComment } from './see-comment.ts';
import { seePost } from '../posts/see-post.ts';

export const AddCommentInput = z.object({
  accountId: AccountId,
  postId: PostId,
  text: proseText(LIMITS.comment).trim().min(1, 'must not be blank'),
  parentCommentId: CommentId.nullable(),
});
export type AddCommentInput = z.infer<typeof AddCommentInput>;

/** Comments on a post, or answers a comment on it. The comment's id comes from the command's. */
export async function addComment(
  log: Log,
  context: CommandContext,
  { accountId, postId, text, parentCommentId }: AddCommentInput,
) {
  const commentId = idFromCommand.comment(context.commandId);
  const [post, parent] = await Promise.all([
    seePost(log, accountId, postId),
    parentCommentId === null ? null : loadVisibleComment(log, accountId, parentCommentId),
  ]);
  const handled = await handle(log, context, {
    decider: commentDecider,
    streamId: streamOf.comment(commentId),
    command: { type: 'AddComment', commentId, postId, accountId, text, post, parent },
    owners: () => [postId],
    opens: true,
  });
  return handled.ok ? { ok: true as const, commentId, written: handled.written } : handled;
}
