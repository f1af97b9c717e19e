import type { Sql } from '../../infra/postgres.ts';

/** A follow that holds (`begins`) or no longer does, or the end of all follows of an account. */
export type FollowStep =
  { readonly followerId: string; readonly followeeId: string; readonly begins: boolean } | { readonly erased: string };

type Pair = { readonly followerId: string; readonly followeeId: string };

/**
 * DDL: who followed an account when it was erased. Their feeds still have to lose its entries when its follows are
 * gone.
 */
export const followersOfErasedDdl = (schema: string) => `
    create table ${schema}.follower_of_erased (
      account_id text collate "C" not null,
      follower_id text collate "C" not null,
      primary key (account_id, follower_id)
    );
    create index on ${schema}.follower_of_erased (follower_id);`;

/**
 * Notes whom the accounts that a batch erases lose as followers; `stored` are the follows of these accounts before it.
 * An erased follower is forgotten.
 */
export async function noteFollowersOfErased(
  tx: Sql,
  schema: string,
  stored: readonly Pair[],
  steps: readonly FollowStep[],
): Promise<void> {
  const { erased, lost } = followersLost(stored, steps);
  if (erased.length === 0) return;
  await tx.query(`delete from ${schema}.follower_of_erased where follower_id = any($1::text[])`, [erased]);
  if (lost.length === 0) return;
  await tx.query(
    `insert into ${schema}.follower_of_erased (account_id, follower_id) select * from unnest($1::text[], $2::text[])`,
    [lost.map(({ followeeId }) => followeeId), lost.map(({ followerId }) => followerId)],
  );
}

function followersLost(stored: readonly Pair[], steps: readonly FollowStep[]): { erased: string[]; lost: Pair[] } {
  const erased: string[] = [];
  let lost: Pair[] = [];
  let follows = new Map(stored.map((pair) => [keyOf(pair), pair]));
  for (const step of steps) {
    if (!('erased' in step)) {
      if (step.begins) follows.set(keyOf(step), step);
      else follows.delete(keyOf(step));
      continue;
    }
    const { erased: id } = step;
    erased.push(id);
    lost = [
      ...lost.filter(({ followerId }) => followerId !== id),
      ...follows.values().filter(({ followeeId }) => followeeId === id),
    ];
    follows = new Map(follows.entries().filter(([, pair]) => pair.followerId !== id && pair.followeeId !== id));
  }
  return { erased, lost };
}

const keyOf = ({ followerId, followeeId }: Pair) => `${followerId} ${followeeId}`;
