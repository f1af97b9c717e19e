import { accept, refuse, type Decider } from './decider.ts';
import { defineEvent, typesOf, type EventOf } from './event-definition.ts';
import { AccountId, StoryId } from './ids.ts';

// Events
export const storyViewEvents = [
  defineEvent({
    type: 'StoryViewed',
    says: 'An account saw a story for the first time.',
    data: { storyId: StoryId, authorId: AccountId, accountId: AccountId },
  }),
] as const;
export type StoryViewEvent = EventOf<(typeof storyViewEvents)[number]>;

// State
export type StoryViewState = { readonly status: 'unseen' } | { readonly status: 'seen' };

function evolve(_state: StoryViewState, event: StoryViewEvent): StoryViewState {
  switch (event.type) {
    case 'StoryViewed':
      return { status: 'seen' };
    default:
      return event.type satisfies never;
  }
}

// Commands
export type StoryViewCommand = {
  readonly type: 'ViewStory';
  readonly storyId: StoryId;
  readonly accountId: AccountId;
  /** A story that has run out, or that the account may not see, looks like none. */
  readonly story: { readonly visible: false } | { readonly visible: true; readonly authorId: AccountId };
};

function decide({ storyId, accountId, story }: StoryViewCommand, state: StoryViewState) {
  if (!story.visible) return refuse('story_not_found');
  // Authors look at their own stories without counting among the viewers.
  if (state.status === 'seen' || story.authorId === accountId) return accept<StoryViewEvent>();
  return accept<StoryViewEvent>({ type: 'StoryViewed', data: { storyId, authorId: story.authorId, accountId } });
}

/** One account's first look at one story. */
export const storyViewDecider: Decider<StoryViewState, StoryViewCommand, StoryViewEvent, 'story_not_found'> = {
  eventTypes: typesOf(storyViewEvents),
  initial: { status: 'unseen' },
  evolve,
  decide,
};
