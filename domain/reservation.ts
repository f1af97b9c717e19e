import { defineEvent, type EventOf } from './event-definition.ts';
import { AccountId } from './ids.ts';

// Events: a username or e-mail is held by one account; the stream's name is the keyed hash of the name.
export const reservationEvents = [
  defineEvent({ type: 'UsernameReserved', says: 'An account holds a username.', data: { accountId: AccountId } }),
  defineEvent({ type: 'UsernameReleased', says: 'An account no longer holds a username; anybody may take it.', data: { accountId: AccountId } }),
  defineEvent({ type: 'EmailReserved', says: 'An account holds an e-mail address.', data: { accountId: AccountId } }),
  defineEvent({ type: 'EmailReleased', says: 'An account no longer holds an e-mail address.', data: { accountId: AccountId } }),
] as const;
export type ReservationEvent = EventOf<(typeof reservationEvents)[number]>;
