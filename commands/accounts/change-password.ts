import { z } from 'zod';
import { accountDecider } from '../../domain/account.ts';
import { refuse } from '../../domain/decider.ts';
import { AccountId } from '../../domain/ids.ts';
import { streamOf } from '../../domain/streams.ts';
import type { Passwords } from '../../infra/auth/passwords.ts';
import type { Credentials } from '../../infra/vault/vault-credentials.ts';
import type { Sessions } from '../../infra/vault/vault-sessions.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';
import { ownAccount } from './own-account.ts';
import { Password } from './register-account.ts';

export const ChangePasswordInput = z.object({
  accountId: AccountId,
  username: z.string(),
  session: z.string().optional(),
  currentPassword: z.string().max(200),
  newPassword: Password,
});
export type ChangePasswordInput = z.infer<typeof ChangePasswordInput>;

export type ChangePasswordDeps = Log & {
  readonly credentials: Credentials;
  readonly sessions: Sessions;
  readonly passwords: Passwords;
};

/**
 * Replaces one's own password and ends every other session. The fact comes before the new hash: a repeat after a crash
 * between the two still proves itself with the old password and finishes the change.
 */
export async function changePassword(deps: ChangePasswordDeps, context: CommandContext, input: ChangePasswordInput) {
  const { accountId, username, session, currentPassword, newPassword } = input;
  const own = await ownAccount(deps, accountId, username);
  if (!own.ok) return own;
  if (!(await deps.passwords.verify(await deps.credentials.find(accountId), currentPassword)))
    return refuse('wrong_password');
  const passwordHash = await deps.passwords.hash(newPassword);
  const handled = await handle(deps, context, {
    decider: accountDecider,
    streamId: streamOf.account(accountId),
    command: { type: 'ChangePassword' },
    owners: () => [accountId],
  });
  if (!handled.ok) return handled;
  await deps.credentials.set(accountId, passwordHash, context.now);
  await deps.sessions.endAll(accountId, context.now, session);
  return { ok: true as const, written: handled.written };
}
