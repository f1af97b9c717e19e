import type { AccountId } from '../../domain/ids.ts';
import type { Page } from './page.ts';
import type { ReadContext } from '../projection.ts';
import { listedUserColumns, type ListedUser } from './user-cards.ts';
import { follows, mayMeet } from './viewer-rules.ts';

export type SuggestedUser = ListedUser & { readonly mutuals: string; readonly followers: string };
export type SuggestionPlace = { readonly mutuals: number; readonly followers: number; readonly id: string };

/** So many of the viewer's followees, and so many of theirs, are looked at. */
const FOLLOWEES_AT_MOST = 500;
/** So many celebrities and newcomers fill up for a viewer who follows nobody yet. */
const FILLERS = 200;

/**
 * Accounts that the viewer might follow: those that most of its followees follow, then well-known and new ones; without
 * itself and whom it follows, asked, mutes or may not meet.
 */
export async function suggestionsFor(
  { sql, builds }: ReadContext,
  viewer: AccountId,
  { after, limit }: Page<SuggestionPlace>,
): Promise<SuggestedUser[]> {
  const [follow, account] = [`${builds.schema('follows')}.follow`, `${builds.schema('accounts')}.account`];
  const { rows } = await sql.query<SuggestedUser>(
    `with friends as (select followee_id from ${follow} where follower_id = $1 limit ${FOLLOWEES_AT_MOST}),
     candidates as (
       select id, sum(mutual) as mutuals from (
         select theirs.followee_id as id, 1 as mutual from friends
           cross join lateral (select f.followee_id from ${follow} f where f.follower_id = friends.followee_id limit ${FOLLOWEES_AT_MOST}) theirs
         union all (select account_id, 0 from ${account} where was_celebrity and is_celebrity limit ${FILLERS})
         union all (select account_id, 0 from ${account} where status = 'active' order by registered_at desc limit ${FILLERS})
       ) seen group by id
     )
     select * from (
       select ${listedUserColumns(builds, '$1', 'a')}, c.mutuals, coalesce(n.followers, 0) as followers
       from candidates c join ${account} a on a.account_id = c.id left join ${builds.schema('follows')}.follow_count n on n.account_id = c.id
       where c.id <> $1 and not ${follows(builds, '$1', 'c.id')} and ${mayMeet(builds, '$1', 'a')}
         and not exists (select from ${builds.schema('follows')}.follow_request r where r.follower_id = $1 and r.followee_id = c.id)
         and not exists (select from ${builds.schema('relationships')}.mute m where m.muter_id = $1 and m.muted_id = c.id)
     ) found
     where (-mutuals, -followers, account_id) > (-($2::bigint), -($3::bigint), $4)
     order by -mutuals, -followers, account_id limit $5`,
    [viewer, after?.mutuals ?? FIRST, after?.followers ?? FIRST, after?.id ?? '', limit + 1],
  );
  return rows;
}

// More than any count: the list begins behind it.
const FIRST = Number.MAX_SAFE_INTEGER;

export type TrendingHashtag = {
  readonly tag: string;
  readonly posts: string;
  readonly recent_posts: string;
  readonly score: number;
};
export type TrendingPlace = { readonly score: number; readonly tag: string };

const TREND_WINDOW_MS = 7 * 24 * 3_600_000;

/**
 * Hashtags that public accounts use now: each author counts once for a tag, by the age of the newest post with it (half
 * after 17 hours), so that nobody makes a trend alone. `asOf` stays the same over the pages of a list.
 */
export async function trendingHashtags(
  { sql, builds }: ReadContext,
  asOf: Date,
  { after, limit }: Page<TrendingPlace>,
): Promise<TrendingHashtag[]> {
  const hashtags = builds.schema('hashtags');
  const { rows } = await sql.query<TrendingHashtag>(
    `select * from (
       select tag, sum(posts) as recent_posts, round(sum(exp(-extract(epoch from ($1::timestamptz - newest)) / 86400))::numeric, 6)::double precision as score,
         (select h.posts from ${hashtags}.hashtag h where h.tag = by_author.tag) as posts
       from (
         select p.tag, p.author_id, count(*) as posts, max(p.published_at) as newest
         from ${hashtags}.post_hashtag p join ${builds.schema('accounts')}.account a on a.account_id = p.author_id
         where p.published_at > $2 and p.published_at <= $1 and a.status = 'active' and not a.is_private
         group by p.tag, p.author_id
       ) by_author group by tag
     ) trending
     where (-score, tag) > (-($3::double precision), $4)
     order by -score, tag limit $5`,
    [asOf, new Date(asOf.getTime() - TREND_WINDOW_MS), after?.score ?? 'Infinity', after?.tag ?? '', limit + 1],
  );
  return rows;
}
