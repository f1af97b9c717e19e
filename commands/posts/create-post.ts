import { z } from 'zod';
import { Filter } from '../../domain/filter.ts';
import { AccountId, MediaId } from '../../domain/ids.ts';
import { LIMITS } from '../../domain/limits.ts';
import { mediaDecider } from '../../domain/media.ts';
import type { MediaState } from '../../domain/media-state.ts';
import { Place, postDecider, type PostCommand } from '../../domain/post.ts';
import { streamOf } from '../../domain/streams.ts';
import { proseText } from '../../domain/text.ts';
import { idFromCommand } from '../../infra/ids.ts';
import { handle, loadState, type CommandContext, type Log } from '../handle.ts';

export const CreatePostInput = z.object({
  authorId: AccountId,
  caption: proseText(LIMITS.caption).nullable(),
  mediaIds: z.array(MediaId).min(1).max(LIMITS.mediaPerPost),
  filter: Filter.nullable(),
  altTexts: z.array(proseText(LIMITS.altText)).max(LIMITS.mediaPerPost),
  location: Place.nullable(),
  commentsDisabled: z.boolean(),
});
export type CreatePostInput = z.infer<typeof CreatePostInput>;

/**
 * Composes a post of the author's own uploaded media; its id comes from the command's. With a filter it shows other
 * media, made of the same pictures; videos stay as they are. `state.status` is `published` when all media were ready
 * already, else `processing`.
 */
export async function createPost(log: Log, context: CommandContext, input: CreatePostInput) {
  const postId = idFromCommand.post(context.commandId);
  const media = await Promise.all(input.mediaIds.map((id) => loadState(log, mediaDecider, streamOf.media(id))));
  const { filter } = input;
  const command: Extract<PostCommand, { type: 'CreatePost' }> = {
    type: 'CreatePost',
    post: { postId, ...input },
    media,
    now: context.now.toISOString(),
  };
  // A post that will be refused leaves no filtered media behind.
  const mayBegin = postDecider.decide(command, postDecider.initial).ok;
  const shown =
    filter === null || !mayBegin
      ? { ok: true as const, ids: input.mediaIds, states: media }
      : await filtered(log, context, media, filter);
  if (!shown.ok) return shown;
  const handled = await handle(log, context, {
    decider: postDecider,
    streamId: streamOf.post(postId),
    command: { ...command, post: { ...command.post, mediaIds: shown.ids }, media: shown.states },
    owners: () => [input.authorId],
    opens: true,
  });
  return handled.ok ? { ok: true as const, postId, state: handled.state, written: handled.written } : handled;
}

async function filtered(log: Log, context: CommandContext, media: readonly MediaState[], filter: Filter) {
  const [ids, states]: [MediaId[], MediaState[]] = [[], []];
  for (const [ordinal, from] of media.entries()) {
    const derived =
      from.status === 'absent' || from.kind === 'video'
        ? { ok: true as const, state: from }
        : await derive(log, context, { from, ordinal, filter });
    if (!derived.ok) return derived;
    const { state } = derived;
    if (state.status === 'absent') throw new Error('a medium that was there is gone');
    ids.push(state.mediaId);
    states.push(state);
  }
  return { ok: true as const, ids, states };
}

async function derive(
  log: Log,
  context: CommandContext,
  { from, ordinal, filter }: { from: Exclude<MediaState, { status: 'absent' }>; ordinal: number; filter: Filter },
) {
  const mediaId = idFromCommand.derivedMedia(context.commandId, ordinal);
  return handle(log, context, {
    decider: mediaDecider,
    streamId: streamOf.media(mediaId),
    command: { type: 'DeriveMedia', mediaId, ownerId: from.ownerId, from, filter },
    owners: () => [from.ownerId],
  });
}
