import { commentDecider, type CommentFact, type CommentState } from '../../domain/comment.ts';
import type { AccountId, CommentId } from '../../domain/ids.ts';
import { streamOf } from '../../domain/streams.ts';
import { loadState, type Log } from '../handle.ts';
import { seePost } from '../posts/see-post.ts';
import { mayMeet } from '../relations/visibility.ts';

/** What an account may know of a comment: not deleted, under a post that it may see, by nobody in a block with it. */
export async function seeComment(log: Log, viewer: AccountId, commentId: CommentId): Promise<CommentFact> {
  const comment = await loadVisibleComment(log, viewer, commentId);
  if (comment.status !== 'posted') return { visible: false };
  const post = await seePost(log, viewer, comment.postId);
  return post.visible ? { visible: true, postId: comment.postId } : { visible: false };
}

/**
 * A comment's state; `absent` when its writer is gone or a block stands between the two. Says nothing about the post.
 */
export async function loadVisibleComment(log: Log, viewer: AccountId, commentId: CommentId): Promise<CommentState> {
  const comment = await loadState(log, commentDecider, streamOf.comment(commentId));
  if (comment.status === 'absent' || comment.accountId === viewer) return comment;
  return (await mayMeet(log, viewer, comment.accountId)) ? comment : { status: 'absent' };
}
