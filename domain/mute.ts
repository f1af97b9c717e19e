import { defineEvent, type EventOf } from './event-definition.ts';
import { AccountId } from './ids.ts';

// Events
export const muteEvents = [
  defineEvent({ type: 'AccountMuted', says: 'One account no longer wants to see another in its feed; the other is not told.', data: { muterId: AccountId, mutedId: AccountId } }),
  defineEvent({ type: 'AccountUnmuted', says: 'One account wants to see another in its feed again.', data: { muterId: AccountId, mutedId: AccountId } }),
] as const;
export type MuteEvent = EventOf<(typeof muteEvents)[number]>;
