import { defineEvent, type EventOf } from './event-definition.ts';
import { AccountId, CommentId, PostId } from './ids.ts';

const like = { commentId: CommentId, postId: PostId, accountId: AccountId };

// Events
export const commentLikeEvents = [
  defineEvent({ type: 'CommentLiked', says: 'An account likes a comment.', data: like }),
  defineEvent({ type: 'CommentUnliked', says: 'An account no longer likes a comment.', data: like }),
] as const;
export type CommentLikeEvent = EventOf<(typeof commentLikeEvents)[number]>;
