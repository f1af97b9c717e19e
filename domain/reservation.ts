import { accept, refuse, type Decider } from './decider.ts';
import { defineEvent, type EventOf } from './event-definition.ts';
import { AccountId } from './ids.ts';

// Events: a username or e-mail is held by one account; the stream's name is the keyed hash of the name.
export const reservationEvents = [
  defineEvent({ type: 'UsernameReserved', says: 'An account holds a username.', data: { accountId: AccountId } }),
  defineEvent({
    type: 'UsernameReleased',
    says: 'An account no longer holds a username; anybody may take it.',
    data: { accountId: AccountId },
  }),
  defineEvent({ type: 'EmailReserved', says: 'An account holds an e-mail address.', data: { accountId: AccountId } }),
  defineEvent({
    type: 'EmailReleased',
    says: 'An account no longer holds an e-mail address.',
    data: { accountId: AccountId },
  }),
] as const;
export type ReservationEvent = EventOf<(typeof reservationEvents)[number]>;

// State
export type ReservationState = { readonly status: 'free' } | { readonly status: 'held'; readonly accountId: AccountId };

// Commands
export type ReservationCommand =
  /**
   * `abandonedHolder` names the account whose registration is known to be abandoned, when there is one: its hold may be
   * taken over.
   */
  | { readonly type: 'Reserve'; readonly accountId: AccountId; readonly abandonedHolder?: AccountId | undefined }
  | { readonly type: 'Release'; readonly accountId: AccountId };
export type ReservationRefusal = 'already_reserved';

type Kind =
  | { readonly reserved: 'UsernameReserved'; readonly released: 'UsernameReleased' }
  | { readonly reserved: 'EmailReserved'; readonly released: 'EmailReleased' };

function evolve(_state: ReservationState, event: ReservationEvent): ReservationState {
  switch (event.type) {
    case 'UsernameReserved':
    case 'EmailReserved':
      return { status: 'held', accountId: event.data.accountId };
    case 'UsernameReleased':
    case 'EmailReleased':
      return { status: 'free' };
    default:
      return event satisfies never;
  }
}

function decide({ reserved, released }: Kind, command: ReservationCommand, state: ReservationState) {
  const mine = state.status === 'held' && state.accountId === command.accountId;
  switch (command.type) {
    case 'Reserve':
      if (mine) return accept<ReservationEvent>();
      if (state.status === 'held' && state.accountId !== command.abandonedHolder) return refuse('already_reserved');
      return accept<ReservationEvent>({ type: reserved, data: { accountId: command.accountId } });
    case 'Release':
      return mine
        ? accept<ReservationEvent>({ type: released, data: { accountId: command.accountId } })
        : accept<ReservationEvent>();
    default:
      return command satisfies never;
  }
}

function reservation(kind: Kind): Decider<ReservationState, ReservationCommand, ReservationEvent, ReservationRefusal> {
  return {
    eventTypes: [kind.reserved, kind.released],
    initial: { status: 'free' },
    evolve,
    decide: (command, state) => decide(kind, command, state),
  };
}

export const usernameReservation = reservation({ reserved: 'UsernameReserved', released: 'UsernameReleased' });
export const emailReservation = reservation({ reserved: 'EmailReserved', released: 'EmailReleased' });
