import { z } from 'zod';
import { blockDecider, type BlockCommand } from '../../domain/block.ts';
import { refuse } from '../../domain/decider.ts';
import { AccountId } from '../../domain/ids.ts';
import { streamOf } from '../../domain/streams.ts';
import { accountByUsername, type AccountFinder } from '../accounts/find-account.ts';
import { handle, type CommandContext } from '../handle.ts';

export const BlockAccountInput = z.object({ accountId: AccountId, username: z.string() });
export type BlockAccountInput = z.infer<typeof BlockAccountInput>;

/** Blocks an account, also one that blocks back: each stays hidden until both have lifted their block. */
export function blockAccount(deps: AccountFinder, context: CommandContext, input: BlockAccountInput) {
  return change(deps, context, { ...input, type: 'Block' });
}

/** Lifts one's own block; what it ended does not come back. */
export function unblockAccount(deps: AccountFinder, context: CommandContext, input: BlockAccountInput) {
  return change(deps, context, { ...input, type: 'Unblock' });
}

async function change(
  deps: AccountFinder,
  context: CommandContext,
  { accountId, username, type }: BlockAccountInput & { type: BlockCommand['type'] },
) {
  const blockedId = await accountByUsername(deps, username);
  if (blockedId === undefined) return refuse('account_not_found');
  const handled = await handle(deps, context, {
    decider: blockDecider,
    streamId: streamOf.block(accountId, blockedId),
    command: { type, blockerId: accountId, blockedId },
    owners: () => [accountId, blockedId],
  });
  return handled.ok
    ? { ok: true as const, blocked: handled.state.status === 'blocked', written: handled.written }
    : handled;
}
