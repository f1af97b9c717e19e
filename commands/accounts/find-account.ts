import { Username } from '../../domain/account-events.ts';
import { accountDecider } from '../../domain/account.ts';
import type { ActiveAccount } from '../../domain/account-state.ts';
import type { AccountId } from '../../domain/ids.ts';
import { usernameReservation } from '../../domain/reservation.ts';
import { streamOf } from '../../domain/streams.ts';
import type { NameHashes } from '../../infra/vault/vault-names.ts';
import { loadState, type Log } from '../handle.ts';

/** Remembers which account held a name; what it remembers is checked against the account before it is believed. */
export type NameHolders = {
  get(username: string): AccountId | undefined;
  set(username: string, accountId: AccountId): unknown;
};

/** What finding an account by its name takes: the log, and the keyed hash that names reservation streams. */
export type AccountFinder = Log & { readonly names: NameHashes; readonly holders?: NameHolders };

/** The active account that holds a username at this moment, by the streams; undefined when there is none. */
export async function accountByUsername(finder: AccountFinder, username: string): Promise<AccountId | undefined> {
  return (await findActiveAccount(finder, username))?.accountId;
}

/** The same with what its stream says of it. */
export async function findActiveAccount(finder: AccountFinder, username: string): Promise<ActiveAccount | undefined> {
  const name = Username.safeParse(username);
  if (!name.success) return undefined;
  const remembered = finder.holders?.get(name.data);
  if (remembered !== undefined) {
    // A name goes to nobody else while its account is active, so this is as good as asking the reservation.
    const account = await activeAccount(finder, remembered);
    if (account?.username === name.data) return account;
  }
  const holder = await loadState(
    finder,
    usernameReservation,
    streamOf.usernameReservation(finder.names.username(name.data)),
  );
  if (holder.status === 'free') return undefined;
  finder.holders?.set(name.data, holder.accountId);
  return activeAccount(finder, holder.accountId);
}

/** What the stream says of an account, or undefined when it is not (or no longer) active. */
export async function activeAccount(log: Log, accountId: AccountId): Promise<ActiveAccount | undefined> {
  const account = await loadState(log, accountDecider, streamOf.account(accountId));
  return account.status === 'active' ? account : undefined;
}
