import type { AccountId, PostId } from '../../domain/ids.ts';
import { postDecider, type PostFact } from '../../domain/post.ts';
import { streamOf } from '../../domain/streams.ts';
import { loadState, type Log } from '../handle.ts';
import { maySee } from '../relations/visibility.ts';

/** What an account may know of a post: published, not hidden by its author, whom the account may see. */
export async function seePost(log: Log, viewer: AccountId, postId: PostId): Promise<PostFact> {
  const post = await loadState(log, postDecider, streamOf.post(postId));
  if (post.status !== 'published' || !(await maySee(log, viewer, post.authorId))) return { visible: false };
  return { visible: true, authorId: post.authorId, commentsDisabled: post.commentsDisabled };
}
