import { defineEvent, type EventOf } from './event-definition.ts';
import { AccountId } from './ids.ts';

// Events
export const blockEvents = [
  defineEvent({ type: 'AccountBlocked', says: 'One account blocked another: follows in both directions end, each is hidden from the other.', data: { blockerId: AccountId, blockedId: AccountId } }),
  defineEvent({ type: 'AccountUnblocked', says: 'One account lifted its block; nothing that the block ended comes back.', data: { blockerId: AccountId, blockedId: AccountId } }),
] as const;
export type BlockEvent = EventOf<(typeof blockEvents)[number]>;
