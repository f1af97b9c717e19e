import type { AccountId, PostId } from '../../domain/ids.ts';
import { queryPrepared } from '../../infra/postgres.ts';
import { statementFor } from '../models/prepared.ts';
import type { Builds, ReadContext } from '../projection.ts';
import { follows, isThere, mayMeet } from './viewer-rules.ts';

const statement = statementFor(
  'recommendable',
  (builds: Builds) => `
  select p.post_id from unnest($2::text[]) as wanted (post_id)
  join ${builds.schema('posts')}.post p on p.post_id = wanted.post_id and p.status = 'published' and p.author_id <> $1
  join ${builds.schema('accounts')}.account a on a.account_id = p.author_id and not a.is_private
  where ${mayMeet(builds, '$1', 'a')}
    and not ${isThere(`${builds.schema('relationships')}.mute m where m.muter_id = $1 and m.muted_id = p.author_id`)}
    and not ${follows(builds, '$1', 'p.author_id')}`,
);

/**
 * Those of some published posts by public accounts that may be recommended to the viewer: by strangers whom it may
 * meet.
 */
export async function recommendableTo(
  { sql, builds }: ReadContext,
  viewer: AccountId,
  postIds: readonly string[],
): Promise<Set<PostId>> {
  const rows = await queryPrepared<{ post_id: PostId }>(sql, statement(builds), [viewer, postIds]);
  return new Set(rows.map(({ post_id }) => post_id));
}
