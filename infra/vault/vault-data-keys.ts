import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { DataKey, DataKeys } from './personal-data.ts';
import { queryPrepared, type Pool } from '../postgres.ts';
import type { Wrapping } from './vault-wrapping.ts';

/** The accounts' data keys: looked up in batches, kept in memory for a bounded time and number. */
export type DataKeyStore = DataKeys & {
  /** Makes the account's key unless it has one. Resolves once it is committed: only then may an event use it. */
  create(accountId: string): Promise<void>;
  /** Empties the key for good; from then on the account's personal data read null. Harmless when repeated. */
  empty(accountId: string, now: Date): Promise<void>;
};

const KEPT = 100_000;
// Another process may empty a key: after this time nobody still opens data with its copy.
const KEPT_MS = 60_000;

const Rows = z.array(z.object({ account_id: z.string(), wrapped: z.instanceof(Buffer).nullable() }));

/** Reads and writes vault.data_key. */
export function createDataKeys(pool: Pool, wrapping: Wrapping, options: { kept?: number } = {}): DataKeyStore {
  const cache = new LRUCache<string, { key: DataKey }>({ max: options.kept ?? KEPT, ttl: KEPT_MS });
  return {
    forAccounts: (accountIds) => lookUp({ pool, wrapping, cache }, accountIds),
    async create(accountId) {
      const wrapped = wrapping.wrap(randomBytes(32), purposeOf(accountId));
      await pool.query('insert into vault.data_key (account_id, wrapped) values ($1, $2) on conflict do nothing', [
        accountId,
        wrapped,
      ]);
    },
    async empty(accountId, now) {
      await pool.query(
        'update vault.data_key set wrapped = null, erased_at = $2 where account_id = $1 and erased_at is null',
        [accountId, now],
      );
      cache.delete(accountId);
    },
  };
}

type Source = { readonly pool: Pool; readonly wrapping: Wrapping; readonly cache: LRUCache<string, { key: DataKey }> };

const STATEMENT = {
  name: 'vault-data-keys',
  text: 'select account_id, wrapped from vault.data_key where account_id = any($1)',
};

async function lookUp(
  { pool, wrapping, cache }: Source,
  accountIds: ReadonlySet<string>,
): Promise<ReadonlyMap<string, DataKey>> {
  const found = new Map<string, DataKey>();
  const missing: string[] = [];
  for (const accountId of accountIds) {
    const kept = cache.get(accountId);
    if (kept === undefined) missing.push(accountId);
    else found.set(accountId, kept.key);
  }
  if (missing.length === 0) return found;
  const rows = await queryPrepared(pool, STATEMENT, [missing]);
  for (const { account_id: accountId, wrapped } of Rows.parse(rows)) {
    const key = wrapped === null ? null : unwrap(wrapping, wrapped, accountId);
    cache.set(accountId, { key });
    found.set(accountId, key);
  }
  const unknown = missing.find((accountId) => !found.has(accountId));
  if (unknown !== undefined) throw new Error(`no data key for ${unknown} in the vault`);
  return found;
}

function unwrap(wrapping: Wrapping, wrapped: Buffer, accountId: string): Buffer {
  try {
    return wrapping.unwrap(wrapped, purposeOf(accountId));
  } catch (error) {
    throw new Error(`the data key of ${accountId} does not open with this master key`, { cause: error });
  }
}

function purposeOf(accountId: string): string {
  return `data-key/${accountId}`;
}
