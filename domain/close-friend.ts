import { accept, refuse, type Decider } from './decider.ts';
import { defineEvent, typesOf, type EventOf } from './event-definition.ts';
import { AccountId } from './ids.ts';

// Events
export const closeFriendEvents = [
  defineEvent({
    type: 'CloseFriendAdded',
    says: 'One account lets another see its stories for close friends.',
    data: { accountId: AccountId, friendId: AccountId },
  }),
  defineEvent({
    type: 'CloseFriendRemoved',
    says: 'One account no longer counts another among its close friends.',
    data: { accountId: AccountId, friendId: AccountId },
  }),
] as const;
export type CloseFriendEvent = EventOf<(typeof closeFriendEvents)[number]>;

// State
export type CloseFriendState = { readonly status: 'absent' | 'close' };

function evolve(_state: CloseFriendState, event: CloseFriendEvent): CloseFriendState {
  switch (event.type) {
    case 'CloseFriendAdded':
      return { status: 'close' };
    case 'CloseFriendRemoved':
      return { status: 'absent' };
    default:
      return event satisfies never;
  }
}

// Commands
export type CloseFriendCommand =
  | { readonly type: 'AddCloseFriend'; readonly accountId: AccountId; readonly friendId: AccountId }
  | { readonly type: 'RemoveCloseFriend'; readonly accountId: AccountId; readonly friendId: AccountId };
export type CloseFriendRefusal = 'cannot_befriend_self';

function decide(command: CloseFriendCommand, { status }: CloseFriendState) {
  const data = { accountId: command.accountId, friendId: command.friendId };
  switch (command.type) {
    case 'AddCloseFriend':
      if (command.accountId === command.friendId) return refuse('cannot_befriend_self');
      return status === 'close'
        ? accept<CloseFriendEvent>()
        : accept<CloseFriendEvent>({ type: 'CloseFriendAdded', data });
    case 'RemoveCloseFriend':
      return status === 'absent'
        ? accept<CloseFriendEvent>()
        : accept<CloseFriendEvent>({ type: 'CloseFriendRemoved', data });
    default:
      return command satisfies never;
  }
}

export const closeFriendDecider: Decider<CloseFriendState, CloseFriendCommand, CloseFriendEvent, CloseFriendRefusal> = {
  eventTypes: typesOf(closeFriendEvents),
  initial: { status: 'absent' },
  evolve,
  decide,
};
