import type { Builds } from '../projection.ts';

/**
 * SQL: whether `viewer` (an expression) may know of the account in row `account` at all: it is active, and neither
 * blocks the other. Everything that a reader shows passes through one of these rules, at the models' own checkpoint.
 */
export function mayMeet(builds: Builds, viewer: string, account: string): string {
  const block = `${builds.schema('relationships')}.block`;
  return `(${account}.status = 'active'
    and not exists (select from ${block} b where b.blocker_id = ${viewer} and b.blocked_id = ${account}.account_id)
    and not exists (select from ${block} b where b.blocker_id = ${account}.account_id and b.blocked_id = ${viewer}))`;
}

/**
 * SQL: whether `viewer` may see what the account in row `account` shares: it may meet it, and it is public, followed or
 * its own.
 */
export function maySee(builds: Builds, viewer: string, account: string): string {
  return `(${mayMeet(builds, viewer, account)} and (not ${account}.is_private or ${account}.account_id = ${viewer} or ${follows(builds, viewer, `${account}.account_id`)}))`;
}

/**
 * SQL: whether `viewer` may see the post in row `post` by the account in row `author`. Only authors see what they
 * archived.
 */
export function maySeePost(builds: Builds, viewer: string, { post, author }: { post: string; author: string }): string {
  return `((${post}.status = 'published' or (${post}.status = 'archived' and ${post}.author_id = ${viewer})) and ${maySee(builds, viewer, author)})`;
}

/** SQL: whether `viewer` may see the story in row `story` by the account in row `author` at the time `now`. */
export function maySeeStory(
  builds: Builds,
  viewer: string,
  { story, author, now }: { story: string; author: string; now: string },
): string {
  return `(${story}.status = 'published' and ${story}.expires_at > ${now} and ${maySee(builds, viewer, author)}
    and (${story}.audience = 'all' or ${story}.author_id = ${viewer}
      or ${isThere(`${builds.schema('relationships')}.close_friend c where c.account_id = ${story}.author_id and c.friend_id = ${viewer}`)}))`;
}

/** SQL: whether one account follows another; both are expressions. */
export function follows(builds: Builds, follower: string, followee: string): string {
  return isThere(
    `${builds.schema('follows')}.follow f where f.follower_id = ${follower} and f.followee_id = ${followee}`,
  );
}

/**
 * SQL: whether there is a row with a whole primary key. One index look-up for each row that asks, where `exists` may
 * first read everything that belongs to the viewer into a hash: thousands of rows for a viewer who likes a lot.
 */
export function isThere(row: string): string {
  return `((select true from ${row}) is true)`;
}
