import { z } from 'zod';
import { accept, refuse, type Decider } from './decider.ts';
import { defineEvent, typesOf, type EventOf } from './event-definition.ts';
import { AccountId, MediaId, StoryId } from './ids.ts';
import { LIMITS } from './limits.ts';
import { unusableBy } from './media.ts';
import type { MediaState } from './media-state.ts';

export const StoryAudience = z.enum(['all', 'close_friends']);
export type StoryAudience = z.infer<typeof StoryAudience>;

// Events
export const storyEvents = [
  defineEvent({
    type: 'StoryPosted',
    says: 'An account put up a story; it shows once its medium is ready.',
    data: {
      storyId: StoryId,
      authorId: AccountId,
      mediaId: MediaId,
      durationMs: z.int().positive().max(LIMITS.storyDurationMs.max),
      audience: StoryAudience,
    },
  }),
  defineEvent({
    type: 'StoryPublished',
    says: 'The medium is ready: the story shows until it expires.',
    data: {
      storyId: StoryId,
      authorId: AccountId,
      audience: StoryAudience,
      publishedAt: z.iso.datetime(),
      expiresAt: z.iso.datetime(),
    },
  }),
  defineEvent({
    type: 'StoryRejected',
    says: 'The medium cannot be shown, so the story never appears.',
    data: { storyId: StoryId, authorId: AccountId, reason: z.string().max(100) },
  }),
  defineEvent({
    type: 'StoryDeleted',
    says: 'The author took the story down.',
    data: { storyId: StoryId, authorId: AccountId },
  }),
] as const;
export type StoryEvent = EventOf<(typeof storyEvents)[number]>;

// State
type Posted = {
  readonly storyId: StoryId;
  readonly authorId: AccountId;
  readonly mediaId: MediaId;
  readonly audience: StoryAudience;
};
export type StoryState =
  | { readonly status: 'absent' }
  | ({ readonly status: 'processing' } & Posted)
  /** Shows only before `expiresAt`: nothing is recorded when a story runs out. */
  | ({ readonly status: 'published'; readonly publishedAt: string; readonly expiresAt: string } & Posted)
  | ({ readonly status: 'rejected'; readonly reason: string } & Posted)
  | ({ readonly status: 'deleted' } & Posted);

function evolve(state: StoryState, event: StoryEvent): StoryState {
  if (event.type === 'StoryPosted') {
    const { storyId, authorId, mediaId, audience } = event.data;
    return { status: 'processing', storyId, authorId, mediaId, audience };
  }
  if (state.status === 'absent') throw new Error(`a story began with ${event.type}`);
  const { storyId, authorId, mediaId, audience } = state;
  const posted: Posted = { storyId, authorId, mediaId, audience };
  switch (event.type) {
    case 'StoryPublished':
      return { status: 'published', ...posted, publishedAt: event.data.publishedAt, expiresAt: event.data.expiresAt };
    case 'StoryRejected':
      return { status: 'rejected', ...posted, reason: event.data.reason };
    case 'StoryDeleted':
      return { status: 'deleted', ...posted };
    default:
      return event satisfies never;
  }
}

/** The time in which a story shows that is published at `publishedAtMs` (milliseconds since 1970). */
export function showingFrom(publishedAtMs: number): Showing {
  return { publishedAt: isoTime(publishedAtMs), expiresAt: isoTime(publishedAtMs + LIMITS.storyLifetimeMs) };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** Whether a story shows at a time (as `toISOString` writes it). */
export function isShowing(state: StoryState, now: string): state is Extract<StoryState, { status: 'published' }> {
  return state.status === 'published' && now < state.expiresAt;
}

// Commands
/** From when until when a story shows, should it be published now. */
export type Showing = { readonly publishedAt: string; readonly expiresAt: string };
export type StoryCommand =
  | {
      readonly type: 'PostStory';
      readonly story: Extract<StoryEvent, { type: 'StoryPosted' }>['data'];
      readonly media: MediaState;
      readonly showing: Showing;
    }
  | { readonly type: 'PublishStory'; readonly showing: Showing }
  | { readonly type: 'RejectStory'; readonly reason: string }
  | { readonly type: 'DeleteStory'; readonly by: AccountId };
export type StoryRefusal =
  | 'story_id_taken'
  | 'media_not_found'
  | 'media_not_uploaded'
  | 'media_rejected'
  | 'story_not_found'
  | 'story_not_yours';

function postStory({ story, media, showing }: Extract<StoryCommand, { type: 'PostStory' }>) {
  const why = unusableBy(media, story.authorId);
  if (why !== undefined) return refuse(why, story.mediaId);
  const { storyId, authorId, audience } = story;
  const posted: StoryEvent = { type: 'StoryPosted', data: story };
  return media.status === 'processed'
    ? accept<StoryEvent>(posted, { type: 'StoryPublished', data: { storyId, authorId, audience, ...showing } })
    : accept<StoryEvent>(posted);
}

// What media processing decides; a story that is gone, or decided already, stays as it is.
function settle(state: StoryState, command: Extract<StoryCommand, { type: 'PublishStory' | 'RejectStory' }>) {
  if (state.status !== 'processing') return accept<StoryEvent>();
  const { storyId, authorId, audience } = state;
  return command.type === 'PublishStory'
    ? accept<StoryEvent>({ type: 'StoryPublished', data: { storyId, authorId, audience, ...command.showing } })
    : accept<StoryEvent>({ type: 'StoryRejected', data: { storyId, authorId, reason: command.reason } });
}

function decide(command: StoryCommand, state: StoryState) {
  switch (command.type) {
    case 'PostStory':
      return state.status === 'absent' ? postStory(command) : refuse('story_id_taken');
    case 'PublishStory':
    case 'RejectStory':
      return settle(state, command);
    case 'DeleteStory': {
      if (state.status === 'absent' || state.status === 'deleted') return refuse('story_not_found');
      if (state.authorId !== command.by) return refuse('story_not_yours');
      return accept<StoryEvent>({ type: 'StoryDeleted', data: { storyId: state.storyId, authorId: state.authorId } });
    }
    default:
      return command satisfies never;
  }
}

/** One story: shows from the moment its medium is ready until its time runs out, unless its author takes it down. */
export const storyDecider: Decider<StoryState, StoryCommand, StoryEvent, StoryRefusal> = {
  eventTypes: typesOf(storyEvents),
  initial: { status: 'absent' },
  evolve,
  decide,
};
