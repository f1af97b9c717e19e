import { defineEvent, type EventOf } from './event-definition.ts';
import { AccountId, StoryId } from './ids.ts';

// Events
export const storyViewEvents = [
  defineEvent({ type: 'StoryViewed', says: 'An account saw a story for the first time.', data: { storyId: StoryId, authorId: AccountId, accountId: AccountId } }),
] as const;
export type StoryViewEvent = EventOf<(typeof storyViewEvents)[number]>;
