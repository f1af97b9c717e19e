import { z } from 'zod';
import { defineEvent, personal, type EventOf } from './event-definition.ts';
import { AccountId, CommentId, PostId } from './ids.ts';
import { LIMITS } from './limits.ts';

// Events
export const commentEvents = [
  defineEvent({
    type: 'CommentAdded',
    says: 'An account commented on a post, or replied to a comment (one level).',
    subject: 'accountId',
    data: { commentId: CommentId, postId: PostId, postAuthorId: AccountId, accountId: AccountId, parentCommentId: CommentId.nullable(), text: personal(z.string().min(1).max(LIMITS.comment)) },
  }),
  defineEvent({ type: 'CommentDeleted', says: 'The comment is gone, with its replies when it had any.', data: { commentId: CommentId, postId: PostId, deletedBy: AccountId } }),
] as const;
export type CommentEvent = EventOf<(typeof commentEvents)[number]>;
