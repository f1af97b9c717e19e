import type { AccountId } from '../../domain/ids.ts';
import type { ReadContext } from '../projection.ts';

/** The models that this is read from. */
export const CELEBRITY_MODELS = ['accounts', 'follows'] as const;

export type CelebrityStanding = { readonly followers: number; readonly isCelebrity: boolean };

/** How many follow an account and whether it is a celebrity; undefined when it is not active. */
export async function celebrityStanding(
  { sql, builds }: ReadContext,
  account: AccountId,
): Promise<CelebrityStanding | undefined> {
  const { rows } = await sql.query<{ followers: string; is_celebrity: boolean }>(
    `select coalesce(c.followers, 0) as followers, a.is_celebrity
     from ${builds.schema('accounts')}.account a left join ${builds.schema('follows')}.follow_count c on c.account_id = a.account_id
     where a.account_id = $1 and a.status = 'active'`,
    [account],
  );
  return rows[0] && { followers: Number(rows[0].followers), isCelebrity: rows[0].is_celebrity };
}

/** Everybody who stands on the wrong side of the line. Reads all counts: for now and then. */
export async function celebritiesToReconsider(
  { sql, builds }: ReadContext,
  line: { grantAt: number; revokeBelow: number },
): Promise<(CelebrityStanding & { account: AccountId })[]> {
  const { rows } = await sql.query<{ account: AccountId; followers: string; is_celebrity: boolean }>(
    `select a.account_id as account, coalesce(c.followers, 0) as followers, a.is_celebrity
     from ${builds.schema('accounts')}.account a left join ${builds.schema('follows')}.follow_count c on c.account_id = a.account_id
     where a.status = 'active' and ((not a.is_celebrity and c.followers >= $1) or (a.is_celebrity and coalesce(c.followers, 0) < $2))`,
    [line.grantAt, line.revokeBelow],
  );
  return rows.map(({ account, followers, is_celebrity }) => ({
    account,
    followers: Number(followers),
    isCelebrity: is_celebrity,
  }));
}

/** Celebrities with at least so many followers. */
export async function celebritiesFrom({ sql, builds }: ReadContext, followers: number): Promise<AccountId[]> {
  const { rows } = await sql.query<{ account_id: AccountId }>(
    `select a.account_id from ${builds.schema('accounts')}.account a join ${builds.schema('follows')}.follow_count c on c.account_id = a.account_id
     where a.was_celebrity and a.is_celebrity and c.followers >= $1`,
    [followers],
  );
  return rows.map(({ account_id }) => account_id);
}
