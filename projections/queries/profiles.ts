import type { AccountId } from '../../domain/ids.ts';
import type { ReadContext } from '../projection.ts';
import { userColumns, type UserCard } from './user-cards.ts';
import { countFor } from '../models/viewer-counts.ts';
import { follows, isThere, mayMeet, maySee } from './viewer-rules.ts';

/** A profile page's head. `may_see`: whether the viewer may also see what the account shares. */
export type Profile = UserCard & {
  readonly bio: string | null;
  readonly website: string | null;
  readonly followers: number;
  readonly following: number;
  readonly posts: number;
  readonly is_following: boolean;
  readonly is_followed_by: boolean;
  readonly has_requested: boolean;
  readonly may_see: boolean;
};

/** The models that `profileByUsername` reads. */
export const PROFILE_MODELS = ['accounts', 'follows', 'relationships', 'media', 'posts'] as const;

/** The profile under a username, or undefined when there is none that the viewer may know of. */
export async function profileByUsername(
  { sql, builds }: ReadContext,
  viewer: AccountId,
  username: string,
): Promise<Profile | undefined> {
  const { rows } = await sql.query<
    Omit<Profile, 'followers' | 'following' | 'posts'> & { followers: string; following: string; posts: string }
  >(
    `select ${userColumns(builds, 'a')}, a.bio, a.website,
       ${countFor.followers(builds, '$1', 'a.account_id')} as followers, ${countFor.following(builds, '$1', 'a.account_id')} as following, coalesce(n.posts, 0) as posts,
       ${follows(builds, '$1', 'a.account_id')} as is_following, ${follows(builds, 'a.account_id', '$1')} as is_followed_by,
       ${isThere(`${builds.schema('follows')}.follow_request r where r.follower_id = $1 and r.followee_id = a.account_id`)} as has_requested,
       ${maySee(builds, '$1', 'a')} as may_see
     from ${builds.schema('accounts')}.account a
     left join ${builds.schema('posts')}.post_count n on n.account_id = a.account_id
     where a.username = $2 and a.status = 'active' and ${mayMeet(builds, '$1', 'a')}`,
    [viewer, username],
  );
  const row = rows[0];
  return (
    row && { ...row, followers: Number(row.followers), following: Number(row.following), posts: Number(row.posts) }
  );
}

/** How many follow an account, whom it follows and what it has posted, as its profile shows them. */
export type ProfileCounts = Pick<Profile, 'followers' | 'following' | 'posts'>;

/** The counts on an account's profile; zero for one that nothing is known of yet. */
export async function profileCounts({ sql, builds }: ReadContext, accountId: AccountId): Promise<ProfileCounts> {
  const { rows } = await sql.query<{ followers: string | null; following: string | null; posts: string | null }>(
    `select c.followers, c.following, n.posts from (values ($1)) a (account_id)
     left join ${builds.schema('follows')}.follow_count c using (account_id) left join ${builds.schema('posts')}.post_count n using (account_id)`,
    [accountId],
  );
  return {
    followers: Number(rows[0]?.followers ?? 0),
    following: Number(rows[0]?.following ?? 0),
    posts: Number(rows[0]?.posts ?? 0),
  };
}

/**
 * The account under a username whose posts, stories and lists the viewer may see; undefined for a hidden one as for a
 * missing one.
 */
export async function visibleAccount(
  { sql, builds }: ReadContext,
  viewer: AccountId,
  username: string,
): Promise<UserCard | undefined> {
  const { rows } = await sql.query<UserCard>(
    `select ${userColumns(builds, 'a')} from ${builds.schema('accounts')}.account a where a.username = $2 and a.status = 'active' and ${maySee(builds, '$1', 'a')}`,
    [viewer, username],
  );
  return rows[0];
}
