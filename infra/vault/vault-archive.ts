import { z } from 'zod';
import { inTransaction, type Pool, type Transaction } from '../postgres.ts';
import { migrateVault } from './vault-schema.ts';
import { openCanary } from './vault.ts';

/**
 * What a restored log needs from the vault, in the order of restoring. Sessions and recorded answers stay behind:
 * people log in again. Everything secret in these tables is wrapped by the master key, or is a password hash.
 */
const TABLES = ['canary', 'hmac_key', 'data_key', 'credential'] as const;

const Line = z.object({ table: z.enum(TABLES), rows: z.array(z.record(z.string(), z.unknown())) });
const ROWS_A_LINE = 5_000;

/** The vault already holds accounts, so nothing may be restored over it. */
export class VaultNotEmptyError extends Error {
  override readonly name = 'VaultNotEmptyError';
}

/** The vault as JSON lines of one snapshot, with bytes in hexadecimal. */
export async function dumpVault(pool: Pool): Promise<string[]> {
  return inTransaction(pool, async (tx) => {
    await tx.query('set transaction isolation level repeatable read, read only');
    const lines: string[] = [];
    for (const table of TABLES) {
      const { rows } = await tx.query<{ row: unknown }>(`select to_json(t) as row from vault.${table} t`);
      for (let from = 0; from < rows.length; from += ROWS_A_LINE) {
        lines.push(JSON.stringify({ table, rows: rows.slice(from, from + ROWS_A_LINE).map(({ row }) => row) }));
      }
    }
    return lines;
  });
}

/**
 * Restores a dump into a database whose vault knows no account yet, in one transaction, and proves that the master key
 * (32 bytes in base64) opens it. Doing it again with the same dump changes nothing. Throws VaultNotEmptyError or
 * WrongMasterKeyError and leaves everything as it was.
 */
export async function restoreVault(
  { pool, masterKey }: { pool: Pool; masterKey: string },
  lines: readonly string[],
): Promise<void> {
  const parts = lines.map((line) => Line.parse(JSON.parse(line)));
  await inTransaction(pool, async (tx) => {
    await tx.query(`select pg_advisory_xact_lock(hashtext('shutterlog.vault'))`);
    await migrateVault(tx);
    await refuseForeignAccounts(tx, parts);
    await tx.query('delete from vault.canary');
    await tx.query('delete from vault.hmac_key');
    for (const { table, rows } of parts) {
      await tx.query(
        `insert into vault.${table} select * from json_populate_recordset(null::vault.${table}, $1::json) on conflict do nothing`,
        [JSON.stringify(rows)],
      );
    }
    await openCanary(tx, masterKey);
  });
}

async function refuseForeignAccounts(tx: Transaction, parts: readonly z.infer<typeof Line>[]): Promise<void> {
  const known = parts
    .filter(({ table }) => table === 'data_key')
    .flatMap(({ rows }) => rows.map((row) => row['account_id']));
  const { rows } = await tx.query('select 1 from vault.data_key where not account_id = any($1::text[]) limit 1', [
    known,
  ]);
  if (rows.length > 0)
    throw new VaultNotEmptyError(
      'the vault of this database holds accounts that the archive does not know: restore into an empty database',
    );
}
