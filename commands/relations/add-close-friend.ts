import { z } from 'zod';
import { closeFriendDecider, type CloseFriendCommand } from '../../domain/close-friend.ts';
import { refuse } from '../../domain/decider.ts';
import { AccountId } from '../../domain/ids.ts';
import { streamOf } from '../../domain/streams.ts';
import { counterpart } from './counterpart.ts';
import type { AccountFinder } from '../accounts/find-account.ts';
import { handle, type CommandContext } from '../handle.ts';

export const CloseFriendInput = z.object({ accountId: AccountId, username: z.string() });
export type CloseFriendInput = z.infer<typeof CloseFriendInput>;

/** Lets an account see one's stories for close friends. The other is not told. */
export async function addCloseFriend(
  deps: AccountFinder,
  context: CommandContext,
  { accountId, username }: CloseFriendInput,
) {
  const other = await counterpart(deps, accountId, username);
  if (other === undefined) return refuse('account_not_found');
  return decideFriend(deps, context, { type: 'AddCloseFriend', accountId, friendId: other.account.accountId });
}

/** Takes an account off one's close friends. */
export async function removeCloseFriend(
  deps: AccountFinder,
  context: CommandContext,
  { accountId, username }: CloseFriendInput,
) {
  const other = await counterpart(deps, accountId, username);
  if (other === undefined) return refuse('account_not_found');
  return decideFriend(deps, context, { type: 'RemoveCloseFriend', accountId, friendId: other.account.accountId });
}

async function decideFriend(deps: AccountFinder, context: CommandContext, command: CloseFriendCommand) {
  const { accountId, friendId } = command;
  const handled = await handle(deps, context, {
    decider: closeFriendDecider,
    streamId: streamOf.closeFriend(accountId, friendId),
    command,
    owners: () => [accountId, friendId],
  });
  return handled.ok
    ? { ok: true as const, closeFriend: handled.state.status === 'close', written: handled.written }
    : handled;
}
