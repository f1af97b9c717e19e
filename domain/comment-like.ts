import type { CommentFact } from './comment.ts';
import { accept, refuse, type Decider } from './decider.ts';
import { defineEvent, typesOf, type EventOf } from './event-definition.ts';
import { AccountId, CommentId, PostId } from './ids.ts';

const like = { commentId: CommentId, postId: PostId, accountId: AccountId };

// Events
export const commentLikeEvents = [
  defineEvent({ type: 'CommentLiked', says: 'An account likes a comment.', data: like }),
  defineEvent({ type: 'CommentUnliked', says: 'An account no longer likes a comment.', data: like }),
] as const;
export type CommentLikeEvent = EventOf<(typeof commentLikeEvents)[number]>;

// State
export type CommentLikeState = { readonly status: 'none' } | { readonly status: 'liked' };

function evolve(_state: CommentLikeState, event: CommentLikeEvent): CommentLikeState {
  switch (event.type) {
    case 'CommentLiked':
      return { status: 'liked' };
    case 'CommentUnliked':
      return { status: 'none' };
    default:
      return event satisfies never;
  }
}

// Commands
export type CommentLikeCommand = {
  readonly type: 'LikeComment' | 'UnlikeComment';
  readonly commentId: CommentId;
  readonly accountId: AccountId;
  readonly comment: CommentFact;
};

function decide({ type, commentId, accountId, comment }: CommentLikeCommand, state: CommentLikeState) {
  if (!comment.visible) return refuse('comment_not_found');
  const data = { commentId, postId: comment.postId, accountId };
  switch (type) {
    case 'LikeComment':
      return state.status === 'liked'
        ? accept<CommentLikeEvent>()
        : accept<CommentLikeEvent>({ type: 'CommentLiked', data });
    case 'UnlikeComment':
      return state.status === 'none'
        ? accept<CommentLikeEvent>()
        : accept<CommentLikeEvent>({ type: 'CommentUnliked', data });
    default:
      return type satisfies never;
  }
}

/** One account's like of one comment. */
export const commentLikeDecider: Decider<CommentLikeState, CommentLikeCommand, CommentLikeEvent, 'comment_not_found'> =
  {
    eventTypes: typesOf(commentLikeEvents),
    initial: { status: 'none' },
    evolve,
    decide,
  };
