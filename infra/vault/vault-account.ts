import { z } from 'zod';
import type { Sql } from '../postgres.ts';

const Time = z.date().nullable();
const Key = z.array(z.object({ has_key: z.boolean(), erased_at: Time }));
const Password = z.array(z.object({ changed_at: z.date() }));
const Session = z.object({ began_at: z.date(), expires_at: z.date(), ended_at: Time });
const Count = z.array(z.object({ count: z.coerce.number() }));

/** What the vault holds of one account; that there is a secret, never the secret. */
export type VaultedAccount = {
  /** `none`: nobody with this id ever registered. `emptied`: erased for good, nothing sealed with it opens any more. */
  readonly dataKey: 'held' | 'emptied' | 'none';
  readonly erasedAt: Date | null;
  readonly passwordChangedAt: Date | null;
  readonly sessions: readonly z.infer<typeof Session>[];
  /** Recorded answers under Idempotency-Keys, kept for 24 hours. */
  readonly recordedRequests: number;
};

/** Looks up everything that is kept in the vault under an account's id. */
export async function vaultedAccount(sql: Sql, accountId: string): Promise<VaultedAccount> {
  const of = async (text: string) => (await sql.query(text, [accountId])).rows;
  const key = Key.parse(
    await of('select wrapped is not null as has_key, erased_at from vault.data_key where account_id = $1'),
  )[0];
  return {
    dataKey: key === undefined ? 'none' : key.has_key ? 'held' : 'emptied',
    erasedAt: key?.erased_at ?? null,
    passwordChangedAt:
      Password.parse(await of('select changed_at from vault.credential where account_id = $1'))[0]?.changed_at ?? null,
    sessions: z
      .array(Session)
      .parse(
        await of('select began_at, expires_at, ended_at from vault.session where account_id = $1 order by began_at'),
      ),
    recordedRequests: Count.parse(await of('select count(*) from vault.idempotency where scope = $1'))[0]?.count ?? 0,
  };
}
