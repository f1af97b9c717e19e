import type { AccountId } from '../../domain/ids.ts';
import type { Sessions } from '../../infra/vault/vault-sessions.ts';
import type { CommandContext } from '../handle.ts';

/** Ends the session that asks, or all of the account's when the access token names none. */
export async function logOut(
  deps: { readonly sessions: Sessions },
  context: CommandContext,
  { accountId, session }: { accountId: AccountId; session?: string | undefined },
): Promise<{ ok: true }> {
  if (session === undefined) await deps.sessions.endAll(accountId, context.now);
  else await deps.sessions.end(session, context.now);
  return { ok: true };
}
