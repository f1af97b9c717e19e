import { z } from 'zod';
import { AccountId, MediaId } from '../../domain/ids.ts';
import { LIMITS } from '../../domain/limits.ts';
import { mediaDecider } from '../../domain/media.ts';
import type { MediaState } from '../../domain/media-state.ts';
import { showingFrom, StoryAudience, storyDecider } from '../../domain/story.ts';
import { streamOf } from '../../domain/streams.ts';
import { idFromCommand } from '../../infra/ids.ts';
import { handle, loadState, type CommandContext, type Log } from '../handle.ts';

export const PostStoryInput = z.object({
  authorId: AccountId,
  mediaId: MediaId,
  /** null: as long as the video, or the usual time of a photo. */
  durationMs: z.int().positive().max(LIMITS.storyDurationMs.max).nullable(),
  audience: StoryAudience,
});
export type PostStoryInput = z.infer<typeof PostStoryInput>;

/** Puts up a story of one's own uploaded medium; its id comes from the command's. It shows once the medium is ready. */
export async function postStory(
  log: Log,
  context: CommandContext,
  { authorId, mediaId, durationMs, audience }: PostStoryInput,
) {
  const storyId = idFromCommand.story(context.commandId);
  const media = await loadState(log, mediaDecider, streamOf.media(mediaId));
  const story = { storyId, authorId, mediaId, durationMs: durationMs ?? usualDuration(media), audience };
  const handled = await handle(log, context, {
    decider: storyDecider,
    streamId: streamOf.story(storyId),
    command: { type: 'PostStory', story, media, showing: showingFrom(context.now.getTime()) },
    owners: () => [authorId],
    opens: true,
  });
  return handled.ok ? { ok: true as const, storyId, state: handled.state, written: handled.written } : handled;
}

function usualDuration(media: MediaState): number {
  const own = media.status === 'processed' ? media.durationMs : null;
  return Math.min(own ?? LIMITS.storyDurationMs.default, LIMITS.storyDurationMs.max);
}
