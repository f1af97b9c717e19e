import { z } from 'zod';
import { defineEvent, personal, type EventOf } from './event-definition.ts';
import { AccountId, MediaId, PostId } from './ids.ts';
import { LIMITS } from './limits.ts';

export const Filter = z.enum(['clarendon', 'gingham', 'moon', 'lark', 'juno']);
export const Place = z.object({ name: z.string().min(1).max(LIMITS.placeName), lat: z.number().min(-90).max(90), lng: z.number().min(-180).max(180) });

// Events
export const postEvents = [
  defineEvent({
    type: 'PostCreated',
    says: 'An account composed a post; it shows once all its media are ready.',
    subject: 'authorId',
    data: {
      postId: PostId,
      authorId: AccountId,
      caption: personal(z.string().max(LIMITS.caption)),
      mediaIds: z.array(MediaId).min(1).max(LIMITS.mediaPerPost),
      filter: Filter.nullable(),
      /** One for each medium, in order; empty when none was given. */
      altTexts: personal(z.array(z.string().max(LIMITS.altText)).max(LIMITS.mediaPerPost)),
      location: personal(Place),
      commentsDisabled: z.boolean(),
    },
  }),
  defineEvent({ type: 'PostPublished', says: 'All media of the post are ready: followers see it from now on.', data: { postId: PostId, authorId: AccountId, publishedAt: z.iso.datetime() } }),
  defineEvent({ type: 'PostRejected', says: 'A medium of the post cannot be shown, so the post never appears.', data: { postId: PostId, authorId: AccountId, reason: z.string().max(100) } }),
  defineEvent({ type: 'CaptionEdited', says: 'The author rewrote the caption.', subject: 'authorId', data: { postId: PostId, authorId: AccountId, caption: personal(z.string().max(LIMITS.caption)) } }),
  defineEvent({ type: 'PostArchived', says: 'The author hid the post from everybody else.', data: { postId: PostId, authorId: AccountId } }),
  defineEvent({ type: 'PostUnarchived', says: 'The author brought the post back, at its own time.', data: { postId: PostId, authorId: AccountId } }),
  defineEvent({ type: 'PostDeleted', says: 'The post is gone for good.', data: { postId: PostId, authorId: AccountId } }),
] as const;
export type PostEvent = EventOf<(typeof postEvents)[number]>;
