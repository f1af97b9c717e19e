import { z } from 'zod';
import { refuse } from '../../domain/decider.ts';
import { followDecider, type FollowCommand } from '../../domain/follow.ts';
import { AccountId } from '../../domain/ids.ts';
import { streamOf } from '../../domain/streams.ts';
import { counterpart } from './counterpart.ts';
import { activeAccount, type AccountFinder } from '../accounts/find-account.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';
import { roundEndedByBlock, storedFollow, type Blocking } from './relations.ts';

export const FollowAccountInput = z.object({ accountId: AccountId, username: z.string() });
export type FollowAccountInput = z.infer<typeof FollowAccountInput>;

/**
 * Follows the account of that name, or asks a private one to be let in; again changes nothing. Behind a block, in
 * either direction, the account looks like a missing one.
 */
export async function followAccount(
  deps: AccountFinder,
  context: CommandContext,
  { accountId, username }: FollowAccountInput,
) {
  const [other, follower] = await Promise.all([counterpart(deps, accountId, username), activeAccount(deps, accountId)]);
  if (other === undefined || follower === undefined) return refuse('account_not_found');
  const pair = { followerId: accountId, followeeId: other.account.accountId };
  return decideFollow(deps, context, {
    type: 'Follow',
    ...pair,
    followeePrivacy: other.account.privacy,
    roundEndedByBlock: await endedRound(deps, pair, other.blocks),
  });
}

/** Stops following, or takes a request back; without either it changes nothing. */
export async function unfollowAccount(
  deps: AccountFinder,
  context: CommandContext,
  { accountId, username }: FollowAccountInput,
) {
  const other = await counterpart(deps, accountId, username);
  if (other === undefined) return refuse('account_not_found');
  return decideFollow(deps, context, { type: 'Unfollow', followerId: accountId, followeeId: other.account.accountId });
}

/** Sends a follower away, who may follow again; one who does not follow is no matter. */
export async function removeFollower(
  deps: AccountFinder,
  context: CommandContext,
  { accountId, username }: FollowAccountInput,
) {
  const other = await counterpart(deps, accountId, username);
  if (other === undefined) return refuse('account_not_found');
  return decideFollow(deps, context, {
    type: 'RemoveFollower',
    followerId: other.account.accountId,
    followeeId: accountId,
  });
}

/** Lets in, or turns down, the account of that name which asked to follow. */
export async function answerFollowRequest(
  deps: AccountFinder,
  context: CommandContext,
  { accountId, username, answer }: FollowAccountInput & { answer: 'accept' | 'decline' },
) {
  const other = await counterpart(deps, accountId, username);
  if (other === undefined) return refuse('follow_request_not_found');
  const pair = { followerId: other.account.accountId, followeeId: accountId };
  const type = answer === 'accept' ? ('AcceptRequest' as const) : ('DeclineRequest' as const);
  return decideFollow(deps, context, { type, ...pair, roundEndedByBlock: await endedRound(deps, pair, other.blocks) });
}

// Most accounts were never blocked by the other: then no follow can have been ended by it.
async function endedRound(
  log: Log,
  { followerId, followeeId }: { followerId: AccountId; followeeId: AccountId },
  blocks: Blocking,
): Promise<number | undefined> {
  return blocks.lastBlock === undefined
    ? undefined
    : roundEndedByBlock(await storedFollow(log, followerId, followeeId), blocks);
}

async function decideFollow(log: Log, context: CommandContext, command: FollowCommand) {
  const { followerId, followeeId } = command;
  const handled = await handle(log, context, {
    decider: followDecider,
    streamId: streamOf.follow(followerId, followeeId),
    command,
    owners: () => [followeeId, followerId],
    opens: true,
  });
  return handled.ok ? { ok: true as const, status: handled.state.status, written: handled.written } : handled;
}
