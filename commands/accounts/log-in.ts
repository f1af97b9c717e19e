import { z } from 'zod';
import { Username } from '../../domain/account-events.ts';
import { refuse } from '../../domain/decider.ts';
import { AccountId } from '../../domain/ids.ts';
import { usernameReservation } from '../../domain/reservation.ts';
import { streamOf } from '../../domain/streams.ts';
import type { Passwords } from '../../infra/auth/passwords.ts';
import type { Credentials } from '../../infra/vault/vault-credentials.ts';
import type { Sessions } from '../../infra/vault/vault-sessions.ts';
import { activeAccount, type AccountFinder } from './find-account.ts';
import { isErased, loadState, type CommandContext } from '../handle.ts';

export const LogInInput = z.object({ username: z.string().max(200), password: z.string().max(200) });
export type LogInInput = z.infer<typeof LogInInput>;

export type LogInDeps = AccountFinder & {
  readonly credentials: Credentials;
  readonly sessions: Sessions;
  readonly passwords: Passwords;
};

/** Nobody's id: looked up for unknown names, so that they take the same steps as known ones. */
const NOBODY = AccountId.parse('acc_00000000000000000000000000');

/**
 * Begins a session under the command's id when the password fits. An unknown name, an erased account and a wrong
 * password are one refusal, after the same work.
 */
export async function logIn(deps: LogInDeps, context: CommandContext, { username, password }: LogInInput) {
  const name = Username.safeParse(username);
  const hash = deps.names.username(name.success ? name.data : '');
  const holder = await loadState(deps, usernameReservation, streamOf.usernameReservation(hash));
  const claimed = holder.status === 'held' ? holder.accountId : NOBODY;
  const [account, passwordHash] = await Promise.all([activeAccount(deps, claimed), deps.credentials.find(claimed)]);
  const fits = await deps.passwords.verify(account === undefined ? undefined : passwordHash, password);
  if (account === undefined || !fits) return refuse('invalid_credentials', 'the username or the password is wrong');
  await deps.sessions.begin(context.commandId, account.accountId, context.now);
  // An erasure ends the sessions that it finds: one that came in meanwhile, while the password was hashed, did not see
  // this one.
  if (await isErased(deps, account.accountId)) {
    await deps.sessions.end(context.commandId, context.now);
    return refuse('invalid_credentials', 'the username or the password is wrong');
  }
  return {
    ok: true as const,
    accountId: account.accountId,
    username: account.username ?? username,
    sessionId: context.commandId,
  };
}
