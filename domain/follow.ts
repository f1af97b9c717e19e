import { z } from 'zod';
import { defineEvent, type EventOf } from './event-definition.ts';
import { AccountId } from './ids.ts';

const pair = { followerId: AccountId, followeeId: AccountId };

// Events
export const followEvents = [
  defineEvent({ type: 'AccountFollowed', says: 'One account follows another, at once because the other is public.', data: pair }),
  defineEvent({ type: 'FollowRequested', says: 'One account asked a private one to be let in.', data: pair }),
  defineEvent({ type: 'FollowRequestAccepted', says: 'The private account let the follower in: the follow begins.', data: pair }),
  defineEvent({ type: 'FollowRequestDeclined', says: 'The private account turned the request down.', data: pair }),
  defineEvent({ type: 'FollowRequestWithdrawn', says: 'The asking account took its request back, or an erased or blocked side voided it.', data: pair }),
  defineEvent({ type: 'FollowEnded', says: 'One account no longer follows another.', data: { ...pair, reason: z.enum(['unfollowed', 'removed', 'blocked', 'erased']) } }),
] as const;
export type FollowEvent = EventOf<(typeof followEvents)[number]>;
