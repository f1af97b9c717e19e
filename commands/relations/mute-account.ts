import { z } from 'zod';
import { refuse } from '../../domain/decider.ts';
import { AccountId } from '../../domain/ids.ts';
import { muteDecider, type MuteCommand } from '../../domain/mute.ts';
import { streamOf } from '../../domain/streams.ts';
import { counterpart } from './counterpart.ts';
import type { AccountFinder } from '../accounts/find-account.ts';
import { handle, type CommandContext } from '../handle.ts';

export const MuteAccountInput = z.object({ accountId: AccountId, username: z.string() });
export type MuteAccountInput = z.infer<typeof MuteAccountInput>;

/** Keeps an account's posts out of one's own feed. The other is not told. */
export async function muteAccount(
  deps: AccountFinder,
  context: CommandContext,
  { accountId, username }: MuteAccountInput,
) {
  const other = await counterpart(deps, accountId, username);
  if (other === undefined) return refuse('account_not_found');
  return decideMute(deps, context, { type: 'Mute', muterId: accountId, mutedId: other.account.accountId });
}

/** Lets an account's posts into one's own feed again. */
export async function unmuteAccount(
  deps: AccountFinder,
  context: CommandContext,
  { accountId, username }: MuteAccountInput,
) {
  const other = await counterpart(deps, accountId, username);
  if (other === undefined) return refuse('account_not_found');
  return decideMute(deps, context, { type: 'Unmute', muterId: accountId, mutedId: other.account.accountId });
}

async function decideMute(deps: AccountFinder, context: CommandContext, command: MuteCommand) {
  const { muterId, mutedId } = command;
  const handled = await handle(deps, context, {
    decider: muteDecider,
    streamId: streamOf.mute(muterId, mutedId),
    command,
    owners: () => [mutedId],
  });
  return handled.ok
    ? { ok: true as const, muted: handled.state.status === 'muted', written: handled.written }
    : handled;
}
