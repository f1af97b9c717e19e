import type { AccountId } from '../../domain/ids.ts';
import { normaliseHashtag } from '../../domain/hashtag.ts';
import type { Page } from './page.ts';
import type { ReadContext } from '../projection.ts';
import { containing, searchable, startingWith } from '../models/text-search.ts';
import { listedUserColumns, type ListedUser } from './user-cards.ts';
import { mayMeet, maySeePost } from './viewer-rules.ts';

/** A place in a ranked list: rank (lower is better), popularity, id. */
export type RankPlace = { readonly rank: number; readonly weight: number; readonly id: string };
type Ranked = { readonly rank: number; readonly weight: string };

export type FoundUser = ListedUser & Ranked;
export type FoundHashtag = Ranked & { readonly tag: string; readonly posts: string };
export type FoundLocation = Ranked & {
  readonly location_id: string;
  readonly name: string;
  readonly lat: number;
  readonly lng: number;
  readonly posts: string;
};

type Search = { readonly viewer: AccountId; readonly text: string; readonly page: Page<RankPlace> };

/** Of everything that matches, so many are ranked: a bound for texts of one letter. */
const RANKED_AT_MOST = 1_000;
/** Shorter texts are looked for at the beginning of words alone. */
const ANYWHERE_FROM = 3;

/**
 * Accounts whose username or full name matches, without those that the viewer may not meet: the exact name first, then
 * beginnings, then the rest; the most followed first.
 */
export async function searchUsers({ sql, builds }: ReadContext, { viewer, text, page }: Search): Promise<FoundUser[]> {
  const asked = searchable(text.replace(/^@/, ''));
  if (asked === '') return [];
  const account = `${builds.schema('accounts')}.account`;
  const pattern = [...asked].length >= ANYWHERE_FROM ? containing(asked) : `% ${startingWith(asked)}`;
  const { rows } = await sql.query<FoundUser>(
    `select * from (
       select ${listedUserColumns(builds, '$1', 'a')}, coalesce(c.followers, 0) as weight,
         case when a.username = $2 then 0 when a.username like $3 then 1 when a.search_text like '% ' || $3 then 2 else 3 end as rank
       from (
         (select account_id from ${account} where status = 'active' and username like $3 limit ${RANKED_AT_MOST})
         union (select account_id from ${account} where search_text like $4 limit ${RANKED_AT_MOST})
       ) matching
       join ${account} a on a.account_id = matching.account_id
       left join ${builds.schema('follows')}.follow_count c on c.account_id = a.account_id
       where ${mayMeet(builds, '$1', 'a')}
     ) found
     where (rank, -weight, account_id) > ($5::int, -($6::bigint), $7)
     order by rank, -weight, account_id limit $8`,
    [viewer, asked, startingWith(asked), pattern, ...afterRank(page)],
  );
  return rows;
}

/**
 * The hashtag that a text is, those that differ from it by accents alone, those that begin with it, those that contain
 * it; the most used first. Only tags that a public account uses.
 */
export async function searchHashtags(
  { sql, builds }: ReadContext,
  { text, page }: Omit<Search, 'viewer'>,
): Promise<FoundHashtag[]> {
  const tag = normaliseHashtag(text.trim());
  const asked = searchable(tag);
  if (asked === '') return [];
  const hashtags = builds.schema('hashtags');
  const { rows } = await sql.query<FoundHashtag>(
    `select * from (
       select h.tag, h.posts, h.posts as weight, case when h.tag = $1 then 0 when h.search_text = $2 then 1 when h.search_text like $3 then 2 else 3 end as rank
       from (
         (select tag from ${hashtags}.hashtag where search_text like $3 limit ${RANKED_AT_MOST})
         union (select tag from ${hashtags}.hashtag where search_text like $4 limit ${RANKED_AT_MOST})
       ) matching join ${hashtags}.hashtag h on h.tag = matching.tag
     ) found
     where (rank, -weight, tag) > ($5::int, -($6::bigint), $7) and exists (
       select from ${hashtags}.post_hashtag p join ${builds.schema('accounts')}.account a on a.account_id = p.author_id
       where p.tag = found.tag and a.status = 'active' and not a.is_private)
     order by rank, -weight, tag limit $8`,
    [
      tag,
      asked,
      startingWith(asked),
      [...asked].length >= ANYWHERE_FROM ? containing(asked) : startingWith(asked),
      ...afterRank(page),
    ],
  );
  return rows;
}

/** Places of posts that the viewer may see whose name matches; the most used first. */
export async function searchLocations(
  { sql, builds }: ReadContext,
  { viewer, text, page }: Search,
): Promise<FoundLocation[]> {
  const asked = searchable(text);
  if (asked === '') return [];
  const { rows } = await sql.query<FoundLocation>(
    `select * from (
       select location_id, min(location_name) as name, avg(location_lat) as lat, avg(location_lng) as lng, count(*) as posts, count(*) as weight,
         min(case when location_search = $2 then 0 when location_search like $3 then 1 else 2 end) as rank
       from (
         select p.* from ${builds.schema('posts')}.post p join ${builds.schema('accounts')}.account a on a.account_id = p.author_id
         where p.location_search like $4 and p.status = 'published' and ${maySeePost(builds, '$1', { post: 'p', author: 'a' })}
         limit ${RANKED_AT_MOST * 10}
       ) matching group by location_id
     ) found
     where (rank, -weight, location_id) > ($5::int, -($6::bigint), $7)
     order by rank, -weight, location_id limit $8`,
    [
      viewer,
      asked,
      startingWith(asked),
      [...asked].length >= ANYWHERE_FROM ? containing(asked) : startingWith(asked),
      ...afterRank(page),
    ],
  );
  return rows;
}

/** Where a ranked list goes on, and how many rows to ask for. */
function afterRank({ after, limit }: Page<RankPlace>): [rank: number, weight: number, id: string, limit: number] {
  return [after?.rank ?? -1, after?.weight ?? 0, after?.id ?? '', limit + 1];
}
