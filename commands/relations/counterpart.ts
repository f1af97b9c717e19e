import type { ActiveAccount } from '../../domain/account-state.ts';
import type { AccountId } from '../../domain/ids.ts';
import { findActiveAccount, type AccountFinder } from '../accounts/find-account.ts';
import { blocking, type Blocking } from './relations.ts';

/** The other side of a relation, and what stands between the two. */
export type Counterpart = { readonly account: ActiveAccount; readonly blocks: Blocking };

/**
 * The active account of that name, unless a block stands between it and `accountId` in either direction: then it is
 * undefined like a missing one, so that nobody learns of a block by trying.
 */
export async function counterpart(
  deps: AccountFinder,
  accountId: AccountId,
  username: string,
): Promise<Counterpart | undefined> {
  const account = await findActiveAccount(deps, username);
  if (account === undefined) return undefined;
  const blocks = await blocking(deps, accountId, account.accountId);
  return blocks.blocked ? undefined : { account, blocks };
}
