import { z } from 'zod';
import { Username } from '../../domain/account-events.ts';
import { accountDecider } from '../../domain/account.ts';
import { refuse } from '../../domain/decider.ts';
import type { AccountId } from '../../domain/ids.ts';
import { LIMITS } from '../../domain/limits.ts';
import { emailReservation, usernameReservation } from '../../domain/reservation.ts';
import { streamOf } from '../../domain/streams.ts';
import { nameText } from '../../domain/text.ts';
import { idFromCommand } from '../../infra/ids.ts';
import type { Credentials } from '../../infra/vault/vault-credentials.ts';
import type { DataKeyStore } from '../../infra/vault/vault-data-keys.ts';
import type { NameHashes } from '../../infra/vault/vault-names.ts';
import type { AccountFinder } from './find-account.ts';
import { handle, type CommandContext, type Log } from '../handle.ts';
import { releaseName, reserveName, type NamePlace } from './reserve-name.ts';

// Words that stand in the place of a username in addresses.
const RESERVED = new Set(['register', 'login', 'refresh', 'logout', 'search', 'suggestions', 'me']);

export const Password = z.string().min(8, 'must have at least 8 characters').max(200);
export const RegisterAccountInput = z.object({
  username: Username.refine((name) => !RESERVED.has(name), 'is not available as a username'),
  email: z.email().max(254),
  password: Password,
  fullName: nameText(LIMITS.fullName),
});
export type RegisterAccountInput = z.infer<typeof RegisterAccountInput>;

/** What registering takes; `hash` turns the password into what the vault keeps. */
export type RegisterAccountDeps = AccountFinder & {
  readonly keys: DataKeyStore;
  readonly credentials: Credentials;
  readonly hash: (password: string) => Promise<string>;
};

/**
 * Opens an account, whose id comes from the command's. The order matters: data key and password first, then username
 * and e-mail, the account last, so that whatever stands in the log is complete. What a crash leaves behind can be taken
 * over.
 */
export async function registerAccount(deps: RegisterAccountDeps, context: CommandContext, input: RegisterAccountInput) {
  const accountId = idFromCommand.account(context.commandId);
  const acting = { ...context, actorId: accountId };
  const [passwordHash] = await Promise.all([deps.hash(input.password), deps.keys.create(accountId)]);
  await deps.credentials.set(accountId, passwordHash, context.now);
  const places = placesOf(deps.names, input);
  const [username, email] = await Promise.all([
    reserveName(deps, acting, places.username, accountId),
    reserveName(deps, acting, places.email, accountId),
  ]);
  if (!username || !email) {
    await releaseBoth(deps, acting, { accountId, places, held: { username, email } });
    return username ? refuse('email_taken') : refuse('username_taken', 'choose another');
  }
  const handled = await handle(deps, acting, {
    decider: accountDecider,
    streamId: streamOf.account(accountId),
    command: {
      type: 'RegisterAccount',
      accountId,
      username: input.username,
      email: input.email,
      fullName: input.fullName,
    },
    owners: () => [accountId],
    opens: true,
  });
  return handled.ok ? { ok: true as const, accountId, username: input.username, written: handled.written } : handled;
}

type Places = { readonly username: NamePlace; readonly email: NamePlace };

/** The reservation streams of a username and an e-mail address. */
export function placesOf(names: NameHashes, { username, email }: { username: string; email: string }): Places {
  return {
    username: { decider: usernameReservation, streamId: streamOf.usernameReservation(names.username(username)) },
    email: { decider: emailReservation, streamId: streamOf.emailReservation(names.email(email)) },
  };
}

// Else the half that was reserved would be taken for a minute.
async function releaseBoth(
  log: Log,
  context: CommandContext,
  { accountId, places, held }: { accountId: AccountId; places: Places; held: { username: boolean; email: boolean } },
): Promise<void> {
  if (held.username) await releaseName(log, context, places.username, accountId);
  if (held.email) await releaseName(log, context, places.email, accountId);
}
