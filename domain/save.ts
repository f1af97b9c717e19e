import { accept, refuse, type Decider } from './decider.ts';
import { defineEvent, typesOf, type EventOf } from './event-definition.ts';
import { AccountId, PostId } from './ids.ts';
import type { PostFact } from './post.ts';

const save = { postId: PostId, accountId: AccountId };

// Events
export const saveEvents = [
  defineEvent({ type: 'PostSaved', says: 'An account keeps a post among its saved ones.', data: save }),
  defineEvent({ type: 'PostUnsaved', says: 'An account no longer keeps the post.', data: save }),
] as const;
export type SaveEvent = EventOf<(typeof saveEvents)[number]>;

// State
export type SaveState = { readonly status: 'none' } | { readonly status: 'saved' };

function evolve(_state: SaveState, event: SaveEvent): SaveState {
  switch (event.type) {
    case 'PostSaved':
      return { status: 'saved' };
    case 'PostUnsaved':
      return { status: 'none' };
    default:
      return event satisfies never;
  }
}

// Commands
export type SaveCommand = {
  readonly type: 'SavePost' | 'UnsavePost';
  readonly postId: PostId;
  readonly accountId: AccountId;
  readonly post: PostFact;
};

function decide({ type, postId, accountId, post }: SaveCommand, state: SaveState) {
  const data = { postId, accountId };
  switch (type) {
    case 'SavePost':
      if (!post.visible) return refuse('post_not_found');
      return state.status === 'saved' ? accept<SaveEvent>() : accept<SaveEvent>({ type: 'PostSaved', data });
    case 'UnsavePost':
      // One's own list may always be tidied, also of posts that have since been hidden or deleted.
      if (state.status === 'saved') return accept<SaveEvent>({ type: 'PostUnsaved', data });
      return post.visible ? accept<SaveEvent>() : refuse('post_not_found');
    default:
      return type satisfies never;
  }
}

/** One post on one account's list of saved posts. */
export const saveDecider: Decider<SaveState, SaveCommand, SaveEvent, 'post_not_found'> = {
  eventTypes: typesOf(saveEvents),
  initial: { status: 'none' },
  evolve,
  decide,
};
