import type { AccountId } from '../../domain/ids.ts';
import { activeAccount } from '../accounts/find-account.ts';
import type { Log } from '../handle.ts';
import { blocking, roundEndedByBlock, storedFollow } from './relations.ts';

/**
 * Whether an account may see what another shares: the other is active, no block stands between them, and it is public
 * or has let the viewer in. One always sees oneself. Decided on the streams, so an answer is never older than the last
 * write.
 */
export async function maySee(log: Log, viewer: AccountId, author: AccountId): Promise<boolean> {
  const [account, blocks] = await Promise.all([activeAccount(log, author), blocking(log, viewer, author)]);
  if (account === undefined) return false;
  if (viewer === author) return true;
  if (blocks.blocked) return false;
  if (account.privacy === 'public') return true;
  const follow = await storedFollow(log, viewer, author);
  return follow.state.status === 'following' && roundEndedByBlock(follow, blocks) !== follow.state.round;
}

/** Whether an account may know of another at all: the other is active and no block stands between them. */
export async function mayMeet(log: Log, one: AccountId, other: AccountId): Promise<boolean> {
  const [account, blocks] = await Promise.all([activeAccount(log, other), blocking(log, one, other)]);
  return account !== undefined && !blocks.blocked;
}
