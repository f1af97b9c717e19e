import { z } from 'zod';
import type { Privacy } from './account-events.ts';
import { accept, refuse, type Decider } from './decider.ts';
import { defineEvent, typesOf, type EventOf } from './event-definition.ts';
import { AccountId } from './ids.ts';

const pair = { followerId: AccountId, followeeId: AccountId };

// Events
export const followEvents = [
  defineEvent({
    type: 'AccountFollowed',
    says: 'One account follows another, at once because the other is public.',
    data: pair,
  }),
  defineEvent({ type: 'FollowRequested', says: 'One account asked a private one to be let in.', data: pair }),
  defineEvent({
    type: 'FollowRequestAccepted',
    says: 'The private account let the follower in: the follow begins.',
    data: pair,
  }),
  defineEvent({ type: 'FollowRequestDeclined', says: 'The private account turned the request down.', data: pair }),
  defineEvent({
    type: 'FollowRequestWithdrawn',
    says: 'The asking account took its request back, or an erased or blocked side voided it.',
    data: pair,
  }),
  defineEvent({
    type: 'FollowEnded',
    says: 'One account no longer follows another.',
    data: { ...pair, reason: z.enum(['unfollowed', 'removed', 'blocked', 'erased']) },
  }),
] as const;
export type FollowEvent = EventOf<(typeof followEvents)[number]>;

// State
/** `round` counts how often the follow or its request began, so that a late decision cannot end a newer follow. */
export type FollowState = { readonly status: 'none' | 'requested' | 'following'; readonly round: number };

function evolve(state: FollowState, event: FollowEvent): FollowState {
  switch (event.type) {
    case 'AccountFollowed':
      return { status: 'following', round: state.round + 1 };
    case 'FollowRequested':
      return { status: 'requested', round: state.round + 1 };
    case 'FollowRequestAccepted':
      return { status: 'following', round: state.round };
    case 'FollowRequestDeclined':
    case 'FollowRequestWithdrawn':
    case 'FollowEnded':
      return { status: 'none', round: state.round };
    default:
      return event satisfies never;
  }
}

// Commands
type Pair = { readonly followerId: AccountId; readonly followeeId: AccountId };
/** `roundEndedByBlock` is the round that a later block ended, though the stream does not say so yet. */
type Ended = { readonly roundEndedByBlock?: number | undefined };
export type FollowCommand = Pair &
  (
    | ({ readonly type: 'Follow'; readonly followeePrivacy: Privacy } & Ended)
    | { readonly type: 'Unfollow' }
    | ({ readonly type: 'AcceptRequest' | 'DeclineRequest' } & Ended)
    | { readonly type: 'RemoveFollower' }
    /** Ends the follow or request of this round and leaves newer ones alone. */
    | { readonly type: 'EndForBlock'; readonly round: number }
  );
export type FollowRefusal = 'cannot_follow_self' | 'follow_request_not_found';

function decide(command: FollowCommand, stored: FollowState) {
  const pair = { followerId: command.followerId, followeeId: command.followeeId };
  switch (command.type) {
    case 'Follow':
      return follow(pair, command, stored);
    case 'AcceptRequest':
      return acceptRequest(pair, command, stored);
    case 'DeclineRequest':
      return isOpenRequest(command, stored)
        ? accept<FollowEvent>({ type: 'FollowRequestDeclined', data: pair })
        : refuse('follow_request_not_found');
    case 'Unfollow':
      return accept(...ending(pair, stored, 'unfollowed'));
    case 'RemoveFollower':
      return stored.status === 'following' ? accept(...ending(pair, stored, 'removed')) : accept<FollowEvent>();
    case 'EndForBlock':
      return stored.round === command.round ? accept(...ending(pair, stored, 'blocked')) : accept<FollowEvent>();
    default:
      return command satisfies never;
  }
}

function acceptRequest(pair: Pair, command: Ended, stored: FollowState) {
  if (isOpenRequest(command, stored)) return accept<FollowEvent>({ type: 'FollowRequestAccepted', data: pair });
  return stored.status === 'following' && !isEnded(command, stored)
    ? accept<FollowEvent>()
    : refuse('follow_request_not_found');
}

function follow(pair: Pair, command: Extract<FollowCommand, { type: 'Follow' }>, stored: FollowState) {
  if (pair.followerId === pair.followeeId) return refuse('cannot_follow_self');
  const ended = isEnded(command, stored);
  const before = ended ? ending(pair, stored, 'blocked') : [];
  const status = ended ? 'none' : stored.status;
  if (status === 'following' || (status === 'requested' && command.followeePrivacy === 'private'))
    return accept<FollowEvent>();
  if (command.followeePrivacy === 'private')
    return accept<FollowEvent>(...before, { type: 'FollowRequested', data: pair });
  // The account has become public since it was asked: the request has nothing left to wait for.
  const request: FollowEvent[] = status === 'requested' ? [{ type: 'FollowRequestWithdrawn', data: pair }] : [];
  return accept<FollowEvent>(...before, ...request, { type: 'AccountFollowed', data: pair });
}

function ending(pair: Pair, { status }: FollowState, reason: 'unfollowed' | 'removed' | 'blocked'): FollowEvent[] {
  switch (status) {
    case 'none':
      return [];
    case 'requested':
      return [{ type: 'FollowRequestWithdrawn', data: pair }];
    case 'following':
      return [{ type: 'FollowEnded', data: { ...pair, reason } }];
    default:
      return status satisfies never;
  }
}

function isEnded({ roundEndedByBlock }: Ended, { round }: FollowState): boolean {
  return roundEndedByBlock === round;
}

function isOpenRequest(command: Ended, stored: FollowState): boolean {
  return stored.status === 'requested' && !isEnded(command, stored);
}

export const followDecider: Decider<FollowState, FollowCommand, FollowEvent, FollowRefusal> = {
  eventTypes: typesOf(followEvents),
  initial: { status: 'none', round: 0 },
  evolve,
  decide,
};
