import { accept, refuse, type Decider } from './decider.ts';
import { defineEvent, typesOf, type EventOf } from './event-definition.ts';
import { AccountId, PostId } from './ids.ts';
import type { PostFact } from './post.ts';

const like = { postId: PostId, accountId: AccountId, authorId: AccountId };

// Events
export const likeEvents = [
  defineEvent({ type: 'PostLiked', says: 'An account likes a post.', data: like }),
  defineEvent({ type: 'PostUnliked', says: 'An account no longer likes a post.', data: like }),
] as const;
export type LikeEvent = EventOf<(typeof likeEvents)[number]>;

// State
export type LikeState = { readonly status: 'none' } | { readonly status: 'liked' };

function evolve(_state: LikeState, event: LikeEvent): LikeState {
  switch (event.type) {
    case 'PostLiked':
      return { status: 'liked' };
    case 'PostUnliked':
      return { status: 'none' };
    default:
      return event satisfies never;
  }
}

// Commands
export type LikeCommand = {
  readonly type: 'LikePost' | 'UnlikePost';
  readonly postId: PostId;
  readonly accountId: AccountId;
  readonly post: PostFact;
};

function decide({ type, postId, accountId, post }: LikeCommand, state: LikeState) {
  if (!post.visible) return refuse('post_not_found');
  const data = { postId, accountId, authorId: post.authorId };
  switch (type) {
    case 'LikePost':
      return state.status === 'liked' ? accept<LikeEvent>() : accept<LikeEvent>({ type: 'PostLiked', data });
    case 'UnlikePost':
      return state.status === 'none' ? accept<LikeEvent>() : accept<LikeEvent>({ type: 'PostUnliked', data });
    default:
      return type satisfies never;
  }
}

/** One account's like of one post. */
export const likeDecider: Decider<LikeState, LikeCommand, LikeEvent, 'post_not_found'> = {
  eventTypes: typesOf(likeEvents),
  initial: { status: 'none' },
  evolve,
  decide,
};
