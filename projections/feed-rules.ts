import type { AccountId, PostId } from '../domain/ids.ts';
import { queryPrepared } from './prepared.ts';
import type { ReadContext } from './projection.ts';
import { mayMeet } from './viewer-rules.ts';

/** The models that these rules are read from. */
export const FEED_RULE_MODELS = ['posts', 'accounts', 'follows', 'relationships'] as const;

/** How a viewer stands to a post's author, as far as feeds care. */
export type FeedStanding = 'followed' | 'stranger' | 'unwanted';

/**
 * How the viewer stands to the authors of posts at the models' own checkpoint, whatever an index says: an author who is
 * not followed any more, or muted, is in no feed. One's own posts are unwanted.
 */
export async function feedStandings({ sql, builds }: ReadContext, viewer: AccountId, postIds: readonly string[]): Promise<Map<string, FeedStanding>> {
  if (postIds.length === 0) return new Map();
  const rows = await queryPrepared<{ post_id: string; standing: FeedStanding }>(sql, 'feed_standings', `
    select p.post_id, case
      when p.author_id = $1 or exists (select from ${builds.schema('relationships')}.mute m where m.muter_id = $1 and m.muted_id = p.author_id) then 'unwanted'
      when exists (select from ${builds.schema('follows')}.follow f where f.follower_id = $1 and f.followee_id = p.author_id) then 'followed'
      else 'stranger' end as standing
    from unnest($2::text[]) as wanted (post_id) join ${builds.schema('posts')}.post p on p.post_id = wanted.post_id`, [viewer, postIds]);
  return new Map(rows.map(({ post_id, standing }) => [post_id, standing]));
}

/** Those of some published posts by public accounts that may be recommended to the viewer: by strangers whom it may meet. */
export async function recommendableTo({ sql, builds }: ReadContext, viewer: AccountId, postIds: readonly string[]): Promise<Set<PostId>> {
  const { rows } = await sql.query<{ post_id: PostId }>(
    `select p.post_id from unnest($2::text[]) as wanted (post_id)
     join ${builds.schema('posts')}.post p on p.post_id = wanted.post_id and p.status = 'published' and p.author_id <> $1
     join ${builds.schema('accounts')}.account a on a.account_id = p.author_id and not a.is_private
     where ${mayMeet(builds, '$1', 'a')}
       and not exists (select from ${builds.schema('relationships')}.mute m where m.muter_id = $1 and m.muted_id = p.author_id)
       and not exists (select from ${builds.schema('follows')}.follow f where f.follower_id = $1 and f.followee_id = p.author_id)`,
    [viewer, postIds],
  );
  return new Set(rows.map(({ post_id }) => post_id));
}
