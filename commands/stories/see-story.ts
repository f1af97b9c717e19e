import { closeFriendDecider } from '../../domain/close-friend.ts';
import type { AccountId, StoryId } from '../../domain/ids.ts';
import { streamOf } from '../../domain/streams.ts';
import { isShowing, storyDecider } from '../../domain/story.ts';
import type { StoryViewCommand } from '../../domain/story-view.ts';
import { loadState, type Log } from '../handle.ts';
import { maySee } from '../relations/visibility.ts';

/** What an account may know of a story at a time: still showing, by an author it may see, and meant for it. */
export async function seeStory(
  log: Log,
  viewer: AccountId,
  storyId: StoryId,
  now: Date,
): Promise<StoryViewCommand['story']> {
  const story = await loadState(log, storyDecider, streamOf.story(storyId));
  if (!isShowing(story, now.toISOString())) return { visible: false };
  const { authorId, audience } = story;
  if (authorId === viewer) return { visible: true, authorId };
  if (!(await maySee(log, viewer, authorId))) return { visible: false };
  if (audience === 'all') return { visible: true, authorId };
  const friend = await loadState(log, closeFriendDecider, streamOf.closeFriend(authorId, viewer));
  return friend.status === 'close' ? { visible: true, authorId } : { visible: false };
}
