import { refuse } from '../../domain/decider.ts';
import type { AccountId, PostId } from '../../domain/ids.ts';
import { postDecider, type PostCommand } from '../../domain/post.ts';
import { streamOf } from '../../domain/streams.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';
import { seePost } from './see-post.ts';

type OwnPostCommand = Extract<PostCommand, { readonly by: AccountId }>;

/**
 * Lets an author change a post. To others it is `post_not_yours` when they may see it, else it answers like a missing
 * one.
 */
export async function changeOwnPost(
  log: Log,
  context: CommandContext,
  { postId, command }: { postId: PostId; command: OwnPostCommand },
) {
  const handled = await handle(log, context, {
    decider: postDecider,
    streamId: streamOf.post(postId),
    command,
    owners: ({ data }) => [data.authorId],
  });
  if (handled.ok || handled.refusal.code !== 'post_not_yours') return handled;
  const seen = await seePost(log, command.by, postId);
  return seen.visible ? handled : refuse('post_not_found');
}
