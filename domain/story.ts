import { z } from 'zod';
import { defineEvent, type EventOf } from './event-definition.ts';
import { AccountId, MediaId, StoryId } from './ids.ts';

export const StoryAudience = z.enum(['all', 'close_friends']);

// Events
export const storyEvents = [
  defineEvent({ type: 'StoryPosted', says: 'An account put up a story; it shows once its medium is ready.', data: { storyId: StoryId, authorId: AccountId, mediaId: MediaId, durationMs: z.int().positive().max(60_000), audience: StoryAudience } }),
  defineEvent({ type: 'StoryPublished', says: 'The medium is ready: the story shows until it expires.', data: { storyId: StoryId, authorId: AccountId, audience: StoryAudience, publishedAt: z.iso.datetime(), expiresAt: z.iso.datetime() } }),
  defineEvent({ type: 'StoryRejected', says: 'The medium cannot be shown, so the story never appears.', data: { storyId: StoryId, authorId: AccountId, reason: z.string().max(100) } }),
  defineEvent({ type: 'StoryDeleted', says: 'The author took the story down.', data: { storyId: StoryId, authorId: AccountId } }),
] as const;
export type StoryEvent = EventOf<(typeof storyEvents)[number]>;
