import { accept, refuse, type Decider } from './decider.ts';
import { defineEvent, typesOf, type EventOf } from './event-definition.ts';
import { AccountId } from './ids.ts';

// Events
export const blockEvents = [
  defineEvent({
    type: 'AccountBlocked',
    says: 'One account blocked another: follows in both directions end, each is hidden from the other.',
    data: { blockerId: AccountId, blockedId: AccountId },
  }),
  defineEvent({
    type: 'AccountUnblocked',
    says: 'One account lifted its block; nothing that the block ended comes back.',
    data: { blockerId: AccountId, blockedId: AccountId },
  }),
] as const;
export type BlockEvent = EventOf<(typeof blockEvents)[number]>;

// State
export type BlockState = { readonly status: 'absent' | 'blocked' };

function evolve(_state: BlockState, event: BlockEvent): BlockState {
  switch (event.type) {
    case 'AccountBlocked':
      return { status: 'blocked' };
    case 'AccountUnblocked':
      return { status: 'absent' };
    default:
      return event satisfies never;
  }
}

// Commands
export type BlockCommand =
  | { readonly type: 'Block'; readonly blockerId: AccountId; readonly blockedId: AccountId }
  | { readonly type: 'Unblock'; readonly blockerId: AccountId; readonly blockedId: AccountId };
export type BlockRefusal = 'cannot_block_self';

function decide(command: BlockCommand, { status }: BlockState) {
  const data = { blockerId: command.blockerId, blockedId: command.blockedId };
  switch (command.type) {
    case 'Block':
      if (command.blockerId === command.blockedId) return refuse('cannot_block_self');
      return status === 'blocked' ? accept<BlockEvent>() : accept<BlockEvent>({ type: 'AccountBlocked', data });
    case 'Unblock':
      return status === 'absent' ? accept<BlockEvent>() : accept<BlockEvent>({ type: 'AccountUnblocked', data });
    default:
      return command satisfies never;
  }
}

export const blockDecider: Decider<BlockState, BlockCommand, BlockEvent, BlockRefusal> = {
  eventTypes: typesOf(blockEvents),
  initial: { status: 'absent' },
  evolve,
  decide,
};
