import { z } from 'zod';
import { accountDecider } from '../../domain/account.ts';
import { AccountId } from '../../domain/ids.ts';
import { streamOf } from '../../domain/streams.ts';
import type { Sessions } from '../../infra/vault/vault-sessions.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';
import { ownAccount } from './own-account.ts';

export const EraseAccountInput = z.object({ accountId: AccountId, username: z.string() });
export type EraseAccountInput = z.infer<typeof EraseAccountInput>;

/**
 * Ends one's own account at once: nobody can log in or see it any more. Its personal data go, and its names become
 * free, when the reaction of the same name has seen every read model pass the event.
 */
export async function eraseAccount(
  deps: Log & { readonly sessions: Sessions },
  context: CommandContext,
  { accountId, username }: EraseAccountInput,
) {
  const own = await ownAccount(deps, accountId, username);
  if (!own.ok) return own;
  const handled = await handle(deps, context, {
    decider: accountDecider,
    streamId: streamOf.account(accountId),
    command: { type: 'EraseAccount' },
    owners: () => [accountId],
  });
  if (handled.ok) await deps.sessions.endAll(accountId, context.now);
  return handled.ok ? { ok: true as const, written: handled.written } : handled;
}
