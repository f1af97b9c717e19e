import { refuse } from '../../domain/decider.ts';
import type { AccountId } from '../../domain/ids.ts';
import { activeAccount } from './find-account.ts';
import type { Log } from '../handle.ts';

/**
 * The caller's own active account when `username` names it. Any other name is refused alike, whether it exists or not.
 */
export async function ownAccount(log: Log, accountId: AccountId, username: string) {
  const account = await activeAccount(log, accountId);
  if (account === undefined) return refuse('account_not_found');
  return account.username === username ? { ok: true as const, account } : refuse('not_your_account');
}
