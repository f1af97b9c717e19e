import type { AccountId, PostId, StoryId } from '../../domain/ids.ts';
import { before, type Page, type TimePlace } from './page.ts';
import type { Builds, ReadContext } from '../projection.ts';
import { listedUserColumns, type ListedUser } from './user-cards.ts';
import { follows, mayMeet } from './viewer-rules.ts';

/** Someone in a list that is ordered by time. */
export type TimedUser = ListedUser & { readonly at: Date };

type Asked<Of, Place> = { readonly viewer: AccountId; readonly of: Of; readonly page: Page<Place> };

/** The accounts that follow another, in the order of their ids, as far as the viewer may meet them. */
export function followersOf(read: ReadContext, asked: Asked<AccountId, AccountId>): Promise<ListedUser[]> {
  const rows = `select follower_id as account_id from ${read.builds.schema('follows')}.follow where followee_id = $2 and follower_id > $3 order by follower_id`;
  return listById(read, asked, { rows, rule: 'true' });
}

/** The accounts that another follows, likewise. */
export function followingOf(read: ReadContext, asked: Asked<AccountId, AccountId>): Promise<ListedUser[]> {
  const rows = `select followee_id as account_id from ${read.builds.schema('follows')}.follow where follower_id = $2 and followee_id > $3 order by followee_id`;
  return listById(read, asked, { rows, rule: 'true' });
}

/** The accounts that the viewer follows and that follow another. */
export function mutualsWith(read: ReadContext, asked: Asked<AccountId, AccountId>): Promise<ListedUser[]> {
  const rows = `select followee_id as account_id from ${read.builds.schema('follows')}.follow where follower_id = $1 and followee_id > $3 order by followee_id`;
  return listById(read, asked, { rows, rule: follows(read.builds, 'a.account_id', '$2') });
}

async function listById(
  { sql, builds }: ReadContext,
  { viewer, of, page }: Asked<AccountId, AccountId>,
  { rows, rule }: { rows: string; rule: string },
): Promise<ListedUser[]> {
  const result = await sql.query<ListedUser>(
    `select ${listedUserColumns(builds, '$1', 'a')}
     from (${rows}) listed join ${builds.schema('accounts')}.account a on a.account_id = listed.account_id
     where ${rule} and ${mayMeet(builds, '$1', 'a')}
     order by a.account_id limit $4`,
    [viewer, of, page.after ?? '', page.limit + 1],
  );
  return result.rows;
}

/** The accounts that like a post, newest like first. */
export function likersOf(read: ReadContext, asked: Asked<PostId, TimePlace>): Promise<TimedUser[]> {
  return listByTime(read, asked, (builds) => ({
    table: `${builds.schema('likes')}.post_like`,
    owner: 'post_id',
    account: 'account_id',
    at: 'liked_at',
  }));
}

/** The accounts that saw a story, newest view first. Whether the viewer may know is the caller's to ask. */
export function viewersOf(read: ReadContext, asked: Asked<StoryId, TimePlace>): Promise<TimedUser[]> {
  return listByTime(read, asked, (builds) => ({
    table: `${builds.schema('story-views')}.story_view`,
    owner: 'story_id',
    account: 'account_id',
    at: 'viewed_at',
  }));
}

/** The accounts that asked to follow an account, newest request first. */
export function followRequestsTo(read: ReadContext, asked: Asked<AccountId, TimePlace>): Promise<TimedUser[]> {
  return listByTime(read, asked, (builds) => ({
    table: `${builds.schema('follows')}.follow_request`,
    owner: 'followee_id',
    account: 'follower_id',
    at: 'requested_at',
  }));
}

type Timed = { readonly table: string; readonly owner: string; readonly account: string; readonly at: string };

async function listByTime(
  { sql, builds }: ReadContext,
  { viewer, of, page }: Asked<string, TimePlace>,
  timed: (builds: Builds) => Timed,
): Promise<TimedUser[]> {
  const { table, owner, account, at } = timed(builds);
  const { rows } = await sql.query<TimedUser>(
    `select ${listedUserColumns(builds, '$1', 'a')}, t.${at} as at
     from ${table} t join ${builds.schema('accounts')}.account a on a.account_id = t.${account}
     where t.${owner} = $2 and (t.${at}, t.${account}) < ($3::timestamptz, $4) and ${mayMeet(builds, '$1', 'a')}
     order by t.${at} desc, t.${account} desc limit $5`,
    [viewer, of, ...before(page.after), page.limit + 1],
  );
  return rows;
}
