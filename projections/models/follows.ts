import type { DomainEvent, EventOfType } from '../../domain/event-log.ts';
import type { AccountId } from '../../domain/ids.ts';
import type { Sql } from '../../infra/postgres.ts';
import { declaredOf, unreachable } from './batch.ts';
import { untilErased } from './erasure.ts';
import { followersOfErasedDdl, noteFollowersOfErased, type FollowStep } from './followers-of-erased.ts';
import { applyPairFacts, type PairFact, type PairTable } from './pairs.ts';
import type { PostgresProjection, ReadContext } from '../projection.ts';

const handles = [
  'AccountFollowed',
  'FollowRequested',
  'FollowRequestAccepted',
  'FollowRequestDeclined',
  'FollowRequestWithdrawn',
  'FollowEnded',
  'AccountBlocked',
  'AccountErased',
] as const;
type Handled = EventOfType<(typeof handles)[number]>;

/** Who follows whom, who asked to, and how many. A block ends follows and requests at once, in both directions. */
export const follows: PostgresProjection = untilErased({
  store: 'postgres',
  name: 'follows',
  version: 2,
  handles,
  ddl: (schema) => `
    create table ${schema}.follow (
      follower_id text collate "C" not null,
      followee_id text collate "C" not null,
      since timestamptz not null,
      primary key (follower_id, followee_id)
    );
    create index on ${schema}.follow (followee_id, follower_id);
    create table ${schema}.follow_request (
      follower_id text collate "C" not null,
      followee_id text collate "C" not null,
      requested_at timestamptz not null,
      primary key (follower_id, followee_id)
    );
    create index on ${schema}.follow_request (followee_id, requested_at desc, follower_id desc);
    create table ${schema}.follow_count (
      account_id text collate "C" primary key,
      followers bigint not null,
      following bigint not null
    ) with (fillfactor = 80); -- as in countTable${followersOfErasedDdl(schema)}`,
  apply,
  tables: [
    { table: 'follow', key: ['follower_id', 'followee_id'], columns: ['since'] },
    { table: 'follow_request', key: ['follower_id', 'followee_id'], columns: ['requested_at'] },
    { table: 'follow_count', key: ['account_id'], columns: ['followers', 'following'] },
    { table: 'follower_of_erased', key: ['account_id', 'follower_id'], columns: [] },
  ],
});

const requestsIn = (schema: string): PairTable => ({
  table: `${schema}.follow_request`,
  columns: ['follower_id', 'followee_id', 'requested_at'],
});

/** What is to be true of a pair: a follow since a time, or (null) none. */
type Follow = { readonly followerId: string; readonly followeeId: string; readonly since: Date | null };

// First goes what erased accounts had, then comes the last word on each pair that is not gone after it.
async function apply(tx: Sql, schema: string, events: readonly DomainEvent[]): Promise<void> {
  const declared = declaredOf(handles, events);
  await applyPairFacts(tx, requestsIn(schema), declared.flatMap(requestsOf));
  const erasedAt = new Map(
    declared.flatMap((event, at) =>
      event.type === 'AccountErased' ? [[String(event.data.accountId), at] as const] : [],
    ),
  );
  const stays = ({ followerId, followeeId }: Follow, at: number) =>
    [followerId, followeeId].every((id) => (erasedAt.get(id) ?? -1) < at);
  const changes = declared.flatMap((event, at) => followsOf(event).filter((follow) => stays(follow, at)));
  const ended = await followsOfErased(tx, schema, [...erasedAt.keys()]);
  if (erasedAt.size > 0) await noteFollowersOfErased(tx, schema, ended, declared.flatMap(stepsOf));
  await changeFollows(tx, schema, [...ended, ...changes]);
}

function stepsOf(event: Handled): FollowStep[] {
  return event.type === 'AccountErased'
    ? [{ erased: event.data.accountId }]
    : followsOf(event).map((follow) => ({ ...follow, begins: follow.since !== null }));
}

function followsOf(event: Handled): Follow[] {
  switch (event.type) {
    case 'AccountFollowed':
    case 'FollowRequestAccepted':
      return [{ ...event.data, since: event.meta.occurredAt }];
    case 'FollowEnded':
      return [{ ...event.data, since: null }];
    case 'AccountBlocked':
      return bothWays(event.data).map((pair) => ({ ...pair, since: null }));
    case 'FollowRequested':
    case 'FollowRequestDeclined':
    case 'FollowRequestWithdrawn':
    case 'AccountErased':
      return [];
    default:
      return unreachable(event);
  }
}

function requestsOf(event: Handled): PairFact[] {
  switch (event.type) {
    case 'FollowRequested':
      return [requestFact(event.data, event.meta.occurredAt)];
    case 'FollowRequestAccepted':
    case 'FollowRequestDeclined':
    case 'FollowRequestWithdrawn':
      return [requestFact(event.data, null)];
    case 'AccountBlocked':
      return bothWays(event.data).map((pair) => requestFact(pair, null));
    case 'AccountErased':
      return ['follower_id', 'followee_id'].map((column) => ({ gone: event.data.accountId, column }));
    case 'AccountFollowed':
    case 'FollowEnded':
      return [];
    default:
      return unreachable(event);
  }
}

type Pair = { readonly followerId: string; readonly followeeId: string };

function requestFact({ followerId, followeeId }: Pair, since: Date | null): PairFact {
  return { left: followerId, right: followeeId, since };
}

function bothWays({ blockerId, blockedId }: { blockerId: string; blockedId: string }): Pair[] {
  return [
    { followerId: blockerId, followeeId: blockedId },
    { followerId: blockedId, followeeId: blockerId },
  ];
}

async function followsOfErased(tx: Sql, schema: string, accounts: readonly string[]): Promise<Follow[]> {
  if (accounts.length === 0) return [];
  const { rows } = await tx.query<Pair>(
    `select follower_id as "followerId", followee_id as "followeeId" from ${schema}.follow where follower_id = any($1::text[]) or followee_id = any($1::text[])`,
    [accounts],
  );
  return rows.map((pair) => ({ ...pair, since: null }));
}

// The last word on each pair counts; `changed` holds the pairs that were not so before, and counts follow only those.
// A count has a row exactly when it is above zero, so that the tables are the same whatever the batches were.
async function changeFollows(tx: Sql, schema: string, changes: readonly Follow[]): Promise<void> {
  if (changes.length === 0) return;
  const last = [...new Map(changes.map((change) => [`${change.followerId} ${change.followeeId}`, change])).values()];
  const { rows } = await tx.query<{ account_id: string }>(
    `with wanted as (select * from unnest($1::text[], $2::text[], $3::timestamptz[]) as w(follower_id, followee_id, since)),
     changed as (
       select w.*, case when w.since is null then -1 else 1 end as step
       from wanted w left join ${schema}.follow f using (follower_id, followee_id)
       where (w.since is null) = (f.follower_id is not null)
     ),
     ended as (
       delete from ${schema}.follow f using wanted w
       where w.since is null and f.follower_id = w.follower_id and f.followee_id = w.followee_id
     ),
     begun as (
       insert into ${schema}.follow select * from wanted where since is not null
       on conflict (follower_id, followee_id) do update set since = excluded.since
     )
     insert into ${schema}.follow_count as c (account_id, followers, following)
     select account_id, sum(followers), sum(following) from (
       select followee_id as account_id, step as followers, 0 as following from changed
       union all select follower_id, 0, step from changed
     ) as step group by account_id
     on conflict (account_id) do update set followers = c.followers + excluded.followers, following = c.following + excluded.following
     returning account_id`,
    [last.map((one) => one.followerId), last.map((one) => one.followeeId), last.map((one) => one.since)],
  );
  if (last.every(({ since }) => since !== null)) return;
  await tx.query(
    `delete from ${schema}.follow_count where account_id = any($1::text[]) and followers = 0 and following = 0`,
    [rows.map((row) => row.account_id)],
  );
}

/** Whether `follower` follows `followee` at the model's checkpoint. */
export async function isFollowing(read: ReadContext, follower: AccountId, followee: AccountId): Promise<boolean> {
  return (await followeesAmong(read, follower, [followee])).has(followee);
}

/** Those of `candidates` whom `follower` follows. */
export async function followeesAmong(
  { sql, builds }: ReadContext,
  follower: AccountId,
  candidates: readonly AccountId[],
): Promise<Set<AccountId>> {
  const { rows } = await sql.query<{ followee_id: AccountId }>(
    `select followee_id from ${builds.schema('follows')}.follow where follower_id = $1 and followee_id = any($2::text[])`,
    [follower, candidates],
  );
  return new Set(rows.map((row) => row.followee_id));
}

/** Those of `candidates` who follow `followee`. */
export async function followersAmong(
  { sql, builds }: ReadContext,
  followee: AccountId,
  candidates: readonly AccountId[],
): Promise<Set<AccountId>> {
  const { rows } = await sql.query<{ follower_id: AccountId }>(
    `select follower_id from ${builds.schema('follows')}.follow where followee_id = $1 and follower_id = any($2::text[])`,
    [followee, candidates],
  );
  return new Set(rows.map((row) => row.follower_id));
}

/** Which pages to read: at most `limit` accounts whose ids come after `after`, in the order of their ids. */
export type AccountPage = { readonly after: AccountId | undefined; readonly limit: number };

/** A page of the accounts that follow `account`, by keyset over their ids. */
export async function followersPage(
  { sql, builds }: ReadContext,
  account: AccountId,
  { after, limit }: AccountPage,
): Promise<AccountId[]> {
  const { rows } = await sql.query<{ id: AccountId }>(
    `select follower_id as id from ${builds.schema('follows')}.follow where followee_id = $1 and follower_id > $2 order by follower_id limit $3`,
    [account, after ?? '', limit],
  );
  return rows.map((row) => row.id);
}

/** A page of the accounts that `account` follows, by keyset over their ids. */
export async function followingPage(
  { sql, builds }: ReadContext,
  account: AccountId,
  { after, limit }: AccountPage,
): Promise<AccountId[]> {
  const { rows } = await sql.query<{ id: AccountId }>(
    `select followee_id as id from ${builds.schema('follows')}.follow where follower_id = $1 and followee_id > $2 order by followee_id limit $3`,
    [account, after ?? '', limit],
  );
  return rows.map((row) => row.id);
}

export type FollowCounts = { readonly followers: number; readonly following: number };

/** Exact counts for every one of `accounts`, zeros included. */
export async function followCounts(
  { sql, builds }: ReadContext,
  accounts: readonly AccountId[],
): Promise<Map<AccountId, FollowCounts>> {
  const counts = new Map<AccountId, FollowCounts>(accounts.map((id) => [id, { followers: 0, following: 0 }]));
  const { rows } = await sql.query<{ account_id: AccountId; followers: string; following: string }>(
    `select account_id, followers, following from ${builds.schema('follows')}.follow_count where account_id = any($1::text[])`,
    [accounts],
  );
  for (const row of rows)
    counts.set(row.account_id, { followers: Number(row.followers), following: Number(row.following) });
  return counts;
}
