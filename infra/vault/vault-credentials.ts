import { z } from 'zod';
import type { Pool } from '../postgres.ts';

/** Password hashes by account. */
export type Credentials = {
  /** Sets or replaces the hash. */
  set(accountId: string, passwordHash: string, now: Date): Promise<void>;
  /** The hash, or undefined when the account has none. */
  find(accountId: string): Promise<string | undefined>;
  remove(accountId: string): Promise<void>;
};

const Found = z.array(z.object({ password_hash: z.string() }));

/** Reads and writes vault.credential. */
export function createCredentials(pool: Pool): Credentials {
  return {
    async set(accountId, passwordHash, now) {
      await pool.query(
        `insert into vault.credential (account_id, password_hash, changed_at) values ($1, $2, $3)
         on conflict (account_id) do update set password_hash = excluded.password_hash, changed_at = excluded.changed_at`,
        [accountId, passwordHash, now],
      );
    },
    async find(accountId) {
      const { rows } = await pool.query('select password_hash from vault.credential where account_id = $1', [
        accountId,
      ]);
      return Found.parse(rows)[0]?.password_hash;
    },
    async remove(accountId) {
      await pool.query('delete from vault.credential where account_id = $1', [accountId]);
    },
  };
}
