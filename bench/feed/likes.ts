import { setTimeout as delay } from 'node:timers/promises';
import type { AccountId } from '../../domain/ids.ts';
import { inTransaction } from '../../infra/postgres.ts';
import { CHANGES_CHANNEL } from '../../projections/runner/invalidation.ts';
import type { Models } from './models.ts';

/** Posts that are liked: the newest, which stand on the first pages. */
const NEWEST = 5_000;

/**
 * Has the readers themselves like posts, so many a second, as the projector would write and announce it, until `signal`
 * ends it. Resolves with how many likes there were.
 */
export async function likeAlong(
  { pool, builds }: Models,
  { viewers, perSecond, signal }: { viewers: readonly AccountId[]; perSecond: number; signal: AbortSignal },
): Promise<number> {
  const { rows } = await pool.query<{ post_id: string }>(
    `select post_id from ${builds.schema('posts')}.post order by published_at desc limit ${String(NEWEST)}`,
  );
  const likes = builds.schema('likes');
  const begin = performance.now();
  let done = 0;
  for (; !signal.aborted; done += 1) {
    const dueMs = begin + (done * 1_000) / perSecond - performance.now();
    if (dueMs > 0) await delay(dueMs, undefined, { signal }).catch(() => undefined);
    const [post, viewer] = [
      rows[(done * 7_919) % rows.length]?.post_id ?? '',
      viewers[(done * 104_729) % viewers.length] ?? '',
    ];
    await inTransaction(pool, async (tx) => {
      const { rowCount } = await tx.query(
        `insert into ${likes}.post_like (post_id, account_id, liked_at) values ($1, $2, now()) on conflict do nothing`,
        [post, viewer],
      );
      await tx.query(
        `insert into ${likes}.like_count as c (post_id, likes) values ($1, $2) on conflict (post_id) do update set likes = c.likes + $2`,
        [post, rowCount],
      );
      await tx.query('select pg_notify($1, $2)', [CHANGES_CHANNEL, JSON.stringify([post, viewer])]);
    });
  }
  return done;
}
