import { accountDecider } from '../../../domain/account.ts';
import type { AccountId } from '../../../domain/ids.ts';
import type { Position } from '../../../domain/position.ts';
import { streamOf } from '../../../domain/streams.ts';
import type { Credentials } from '../../../infra/vault/vault-credentials.ts';
import type { DataKeyStore } from '../../../infra/vault/vault-data-keys.ts';
import type { NameHashes } from '../../../infra/vault/vault-names.ts';
import type { Sessions } from '../../../infra/vault/vault-sessions.ts';
import { loadState, type CommandContext, type Log } from '../../handle.ts';
import { placesOf } from '../../accounts/register-account.ts';
import { releaseName } from '../../accounts/reserve-name.ts';
import { ModelsBehindError, type Reaction } from '../reaction.ts';
import type { Passage } from '../../../projections/builds/consistency.ts';

const NAME = 'erase-account';

export type EraseAccountDeps = Log & {
  readonly keys: DataKeyStore;
  readonly names: NameHashes;
  readonly credentials: Credentials;
  readonly sessions: Sessions;
  /** Forgets recorded answers of an account's requests. */
  readonly forgetRequests: (accountId: AccountId) => Promise<void>;
  /** Waits, bounded, until every read model has passed a position. */
  readonly passed: (position: Position) => Promise<Passage>;
};

/**
 * Carries an erasure out once every read model has passed it: the names become free, what the vault keeps of the
 * account goes, the data key is emptied last, because the names are read with it. Until then it fails and is tried
 * again.
 */
export function eraseErasedAccounts(deps: EraseAccountDeps): Reaction {
  return {
    name: NAME,
    handles: ['AccountErased'],
    react: async (event, context) => {
      if (event.type !== 'AccountErased') throw new Error(`${NAME} does not handle ${event.type}`);
      if ((await deps.passed(event.position)) !== 'passed')
        throw new ModelsBehindError(`a read model has not passed the erasure of ${event.data.accountId} yet`);
      await carryOut(deps, context, event.data.accountId);
    },
  };
}

async function carryOut(deps: EraseAccountDeps, context: CommandContext, accountId: AccountId): Promise<void> {
  const account = await loadState(deps, accountDecider, streamOf.account(accountId));
  if (account.status !== 'erased') throw new Error(`${accountId} was erased and is ${account.status}`);
  const { username, email } = account;
  if (username !== null && email !== null) {
    const places = placesOf(deps.names, { username, email });
    await releaseName(deps, context, places.username, accountId);
    await releaseName(deps, context, places.email, accountId);
  }
  await deps.sessions.endAll(accountId, context.now);
  await deps.credentials.remove(accountId);
  await deps.forgetRequests(accountId);
  await deps.keys.empty(accountId, context.now);
}
