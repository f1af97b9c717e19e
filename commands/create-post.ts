import { z } from 'zod';
import { AccountId, MediaId } from '../domain/ids.ts';
import { LIMITS } from '../domain/limits.ts';
import { mediaDecider } from '../domain/media.ts';
import { Filter, Place, postDecider } from '../domain/post.ts';
import { streamOf } from '../domain/streams.ts';
import { boundedText } from '../domain/text.ts';
import { idFromCommand } from '../infra/ids.ts';
import { handle, loadState, type CommandContext, type Log } from './handle.ts';

export const CreatePostInput = z.object({
  authorId: AccountId,
  caption: boundedText(LIMITS.caption).nullable(),
  mediaIds: z.array(MediaId).min(1).max(LIMITS.mediaPerPost),
  filter: Filter.nullable(),
  altTexts: z.array(boundedText(LIMITS.altText)).max(LIMITS.mediaPerPost),
  location: Place.nullable(),
  commentsDisabled: z.boolean(),
});
export type CreatePostInput = z.infer<typeof CreatePostInput>;

/**
 * Composes a post of the author's own uploaded media; its id comes from the command's. `state.status` is `published`
 * when all media were ready already, else `processing`.
 */
export async function createPost(log: Log, context: CommandContext, input: CreatePostInput) {
  const postId = idFromCommand.post(context.commandId);
  const media = await Promise.all(input.mediaIds.map((id) => loadState(log, mediaDecider, streamOf.media(id))));
  const handled = await handle(log, context, {
    decider: postDecider,
    streamId: streamOf.post(postId),
    command: { type: 'CreatePost', post: { postId, ...input }, media, now: context.now.toISOString() },
    owners: () => [input.authorId],
  });
  return handled.ok ? { ok: true as const, postId, state: handled.state, written: handled.written } : handled;
}
