import { z } from 'zod';
import { AccountId } from '../../domain/ids.ts';
import type { ReadContext } from '../projection.ts';

const Rows = z.array(z.object({ follower_id: AccountId }));

/** Who waits to be let in by an account, behind `after` in the order of ids; at most `limit`. */
export async function openRequestsTo(
  { sql, builds }: ReadContext,
  accountId: AccountId,
  { after, limit }: { after: AccountId | undefined; limit: number },
): Promise<AccountId[]> {
  const { rows } = await sql.query<Record<string, unknown>>(
    `select follower_id from ${builds.schema('follows')}.follow_request where followee_id = $1 and follower_id > $2 order by follower_id limit $3`,
    [accountId, after ?? '', limit],
  );
  return Rows.parse(rows).map(({ follower_id: followerId }) => followerId);
}
