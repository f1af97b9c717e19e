import type { Position } from '../../../domain/position.ts';
import type { EventStore } from '../../../infra/event-store/event-store.ts';
import type { Pool } from '../../../infra/postgres.ts';
import type { Vault } from '../../../infra/vault/vault.ts';
import type { BuildResolver } from '../../../projections/builds/builds.ts';
import { codeVersions } from '../../../projections/catalog.ts';
import type { Freshness } from '../../../projections/builds/consistency.ts';
import { openRequestsTo } from '../../../projections/queries/open-requests.ts';
import { acceptOpenRequests } from './accept-open-requests.ts';
import { endBlockedFollows } from './end-blocked-follows.ts';
import { eraseErasedAccounts } from './erase-account.ts';
import type { Reaction } from '../reaction.ts';

export type IdentityReactionDeps = {
  readonly store: EventStore;
  readonly vault: Vault;
  readonly pool: Pool;
  readonly builds: BuildResolver;
  readonly freshness: Freshness;
};

/** What follows from blocks, erasures and accounts that open. */
export function identityReactions({
  store,
  vault,
  pool,
  builds,
  freshness,
}: IdentityReactionDeps): readonly Reaction[] {
  const log = { store, keys: vault.keys };
  const passed = async (position: Position, models: readonly string[]) =>
    freshness.waitUntilPassed(await builds.resolve(), { storeId: store.storeId, position, owners: 'all' }, models);
  return [
    endBlockedFollows(log),
    acceptOpenRequests({
      ...log,
      passed: (position) => passed(position, ['follows']),
      openRequests: async (accountId, page) =>
        openRequestsTo({ sql: pool, builds: await builds.resolve() }, accountId, page),
    }),
    eraseErasedAccounts({
      ...log,
      names: vault.names,
      credentials: vault.credentials,
      sessions: vault.sessions,
      forgetRequests: (accountId) => vault.idempotency((code): code is string => code !== '').forget(accountId),
      passed: (position) => passed(position, [...codeVersions.keys()]),
    }),
  ];
}
