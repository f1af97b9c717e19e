import type { Sql } from '../../infra/postgres.ts';
import type { VerifiedTable } from '../projection.ts';

/**
 * A model that keeps what erased people wrote would differ from a rebuild, in which the same fields read null: a
 * command in flight may land after the erasure, while the data key still opens it. Such models remember who is erased.
 */
export const erasedAccountDdl = (schema: string) =>
  `create table ${schema}.erased_account (account_id text collate "C" primary key);`;

export const erasedAccountTable: VerifiedTable = { table: 'erased_account', key: ['account_id'], columns: [] };

/** Remembers `erasedNow`; answers them and those of `authors` who were erased before. */
export async function rememberErased(
  tx: Sql,
  schema: string,
  erasedNow: readonly string[],
  authors: readonly string[],
): Promise<string[]> {
  if (erasedNow.length > 0) {
    await tx.query(`insert into ${schema}.erased_account select distinct unnest($1::text[]) on conflict do nothing`, [
      erasedNow,
    ]);
  }
  const asked = [...new Set([...erasedNow, ...authors])];
  if (asked.length === 0) return [];
  const { rows } = await tx.query<{ account_id: string }>(
    `select account_id from ${schema}.erased_account where account_id = any($1::text[])`,
    [asked],
  );
  return rows.map((row) => row.account_id);
}
