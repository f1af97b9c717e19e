import { defineEvent, type EventOf } from './event-definition.ts';
import { AccountId, PostId } from './ids.ts';

const save = { postId: PostId, accountId: AccountId };

// Events
export const saveEvents = [
  defineEvent({ type: 'PostSaved', says: 'An account keeps a post among its saved ones.', data: save }),
  defineEvent({ type: 'PostUnsaved', says: 'An account no longer keeps the post.', data: save }),
] as const;
export type SaveEvent = EventOf<(typeof saveEvents)[number]>;
