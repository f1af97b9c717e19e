import { accept, refuse, type Decider } from './decider.ts';
import { defineEvent, typesOf, type EventOf } from './event-definition.ts';
import { AccountId } from './ids.ts';

// Events
export const muteEvents = [
  defineEvent({
    type: 'AccountMuted',
    says: 'One account no longer wants to see another in its feed; the other is not told.',
    data: { muterId: AccountId, mutedId: AccountId },
  }),
  defineEvent({
    type: 'AccountUnmuted',
    says: 'One account wants to see another in its feed again.',
    data: { muterId: AccountId, mutedId: AccountId },
  }),
] as const;
export type MuteEvent = EventOf<(typeof muteEvents)[number]>;

// State
export type MuteState = { readonly status: 'absent' | 'muted' };

function evolve(_state: MuteState, event: MuteEvent): MuteState {
  switch (event.type) {
    case 'AccountMuted':
      return { status: 'muted' };
    case 'AccountUnmuted':
      return { status: 'absent' };
    default:
      return event satisfies never;
  }
}

// Commands
export type MuteCommand =
  | { readonly type: 'Mute'; readonly muterId: AccountId; readonly mutedId: AccountId }
  | { readonly type: 'Unmute'; readonly muterId: AccountId; readonly mutedId: AccountId };
export type MuteRefusal = 'cannot_mute_self';

function decide(command: MuteCommand, { status }: MuteState) {
  const data = { muterId: command.muterId, mutedId: command.mutedId };
  switch (command.type) {
    case 'Mute':
      if (command.muterId === command.mutedId) return refuse('cannot_mute_self');
      return status === 'muted' ? accept<MuteEvent>() : accept<MuteEvent>({ type: 'AccountMuted', data });
    case 'Unmute':
      return status === 'absent' ? accept<MuteEvent>() : accept<MuteEvent>({ type: 'AccountUnmuted', data });
    default:
      return command satisfies never;
  }
}

export const muteDecider: Decider<MuteState, MuteCommand, MuteEvent, MuteRefusal> = {
  eventTypes: typesOf(muteEvents),
  initial: { status: 'absent' },
  evolve,
  decide,
};
