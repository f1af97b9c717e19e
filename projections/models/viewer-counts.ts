import type { AccountId } from '../../domain/ids.ts';
import { queryPrepared } from '../../infra/postgres.ts';
import { statementFor } from './prepared.ts';
import type { Builds, ReadContext } from '../projection.ts';

/**
 * Counts as a viewer is told them. A count is the length of the list behind it, to the one who reads the list: the
 * models count nobody who is erased (they have no rows), and of what they count is taken away whoever stands behind a
 * block of the viewer, as `mayMeet` does in lists. Blocks are few, so it costs one look by key for each, and nothing
 * for most.
 */
export const countFor = {
  /** SQL: how many like the post. */
  likes: (builds: Builds, viewer: string, post: string) =>
    `(coalesce((select n.likes from ${builds.schema('likes')}.like_count n where n.post_id = ${post}), 0) - ${hiddenLikes(builds, viewer, post)})`,
  /** SQL: comments on the post and replies to those that are seen. */
  comments: (builds: Builds, viewer: string, post: string) =>
    `(coalesce((select n.comments from ${builds.schema('comments')}.comment_count n where n.post_id = ${post}), 0) - ${hiddenComments(builds, viewer, post)})`,
  /** SQL: replies to the comment in row `comment`. */
  replies: (builds: Builds, viewer: string, comment: string) =>
    `(${comment}.replies - ${behindBlocks(builds, viewer, `${builds.schema('comments')}.comment r on r.account_id = hidden.id where r.post_id = ${comment}.post_id and r.parent_comment_id = ${comment}.comment_id`)})`,
  /** SQL: how many like the comment. */
  commentLikes: (builds: Builds, viewer: string, comment: string) => {
    const comments = builds.schema('comments');
    return `(coalesce((select n.likes from ${comments}.comment_like_count n where n.comment_id = ${comment}), 0) - ${behindBlocks(builds, viewer, `${comments}.comment_like l on l.account_id = hidden.id where l.comment_id = ${comment}`)})`;
  },
  /** SQL: how many saw the story. */
  storyViews: (builds: Builds, viewer: string, story: string) => {
    const views = builds.schema('story-views');
    return `(coalesce((select n.views from ${views}.story_view_count n where n.story_id = ${story}), 0) - ${behindBlocks(builds, viewer, `${views}.story_view v on v.account_id = hidden.id where v.story_id = ${story}`)})`;
  },
  /** SQL: how many follow the account. */
  followers: (builds: Builds, viewer: string, account: string) => {
    const follows = builds.schema('follows');
    return `(coalesce((select n.followers from ${follows}.follow_count n where n.account_id = ${account}), 0) - ${behindBlocks(builds, viewer, `${follows}.follow f on f.follower_id = hidden.id where f.followee_id = ${account}`)})`;
  },
  /** SQL: how many the account follows. */
  following: (builds: Builds, viewer: string, account: string) => {
    const follows = builds.schema('follows');
    return `(coalesce((select n.following from ${follows}.follow_count n where n.account_id = ${account}), 0) - ${behindBlocks(builds, viewer, `${follows}.follow f on f.followee_id = hidden.id where f.follower_id = ${account}`)})`;
  },
} as const;

/** SQL: whether any block stands between the viewer and somebody. */
export function hasBlocks(builds: Builds, viewer: string): string {
  const block = `${builds.schema('relationships')}.block b`;
  return `(exists (select from ${block} where b.blocker_id = ${viewer}) or exists (select from ${block} where b.blocked_id = ${viewer}))`;
}

/** What a viewer's blocks take from the counts of a post. */
export type HiddenCounts = { readonly likes: number; readonly comments: number };

const statement = statementFor(
  'hidden_counts',
  (builds) => `
  select wanted.post_id, ${hiddenLikes(builds, '$1', 'wanted.post_id')} as likes, ${hiddenComments(builds, '$1', 'wanted.post_id')} as comments
  from unnest($2::text[]) as wanted (post_id)`,
);

/** The same for the counts of some posts that were read for everybody; for viewers who have a block at all. */
export async function hiddenCounts(
  { sql, builds }: ReadContext,
  viewer: AccountId,
  postIds: readonly string[],
): Promise<Map<string, HiddenCounts>> {
  const rows = await queryPrepared<{ post_id: string; likes: string; comments: string }>(sql, statement(builds), [
    viewer,
    postIds,
  ]);
  return new Map(rows.map((row) => [row.post_id, { likes: Number(row.likes), comments: Number(row.comments) }]));
}

function hiddenLikes(builds: Builds, viewer: string, post: string): string {
  return behindBlocks(
    builds,
    viewer,
    `${builds.schema('likes')}.post_like l on l.account_id = hidden.id where l.post_id = ${post}`,
  );
}

// With a comment that is not seen go all replies to it, whoever wrote them.
function hiddenComments(builds: Builds, viewer: string, post: string): string {
  const comment = `${builds.schema('comments')}.comment`;
  const parentIsHidden = `exists (select from ${comment} parent join ${hiddenAccounts(builds, viewer)} other on other.id = parent.account_id where parent.comment_id = c.parent_comment_id)`;
  return `(select coalesce(sum(case when c.parent_comment_id is null then 1 + c.replies when ${parentIsHidden} then 0 else 1 end), 0)
    from ${hiddenAccounts(builds, viewer)} hidden join ${comment} c on c.account_id = hidden.id where c.post_id = ${post})`;
}

function behindBlocks(builds: Builds, viewer: string, rows: string): string {
  return `(select count(*) from ${hiddenAccounts(builds, viewer)} hidden join ${rows})`;
}

function hiddenAccounts(builds: Builds, viewer: string): string {
  const block = `${builds.schema('relationships')}.block`;
  return `(select b.blocked_id as id from ${block} b where b.blocker_id = ${viewer} union select b.blocker_id from ${block} b where b.blocked_id = ${viewer})`;
}
