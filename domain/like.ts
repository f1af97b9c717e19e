import { defineEvent, type EventOf } from './event-definition.ts';
import { AccountId, PostId } from './ids.ts';

const like = { postId: PostId, accountId: AccountId, authorId: AccountId };

// Events
export const likeEvents = [
  defineEvent({ type: 'PostLiked', says: 'An account likes a post.', data: like }),
  defineEvent({ type: 'PostUnliked', says: 'An account no longer likes a post.', data: like }),
] as const;
export type LikeEvent = EventOf<(typeof likeEvents)[number]>;
