import { defineEvent, type EventOf } from './event-definition.ts';
import { AccountId } from './ids.ts';

// Events
export const closeFriendEvents = [
  defineEvent({ type: 'CloseFriendAdded', says: 'One account lets another see its stories for close friends.', data: { accountId: AccountId, friendId: AccountId } }),
  defineEvent({ type: 'CloseFriendRemoved', says: 'One account no longer counts another among its close friends.', data: { accountId: AccountId, friendId: AccountId } }),
] as const;
export type CloseFriendEvent = EventOf<(typeof closeFriendEvents)[number]>;
