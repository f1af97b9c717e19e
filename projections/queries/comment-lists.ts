import type { AccountId, CommentId, PostId } from '../../domain/ids.ts';
import { before, behind, type Page, type TimePlace } from './page.ts';
import type { Builds, ReadContext } from '../projection.ts';
import { userColumns, type UserCard } from './user-cards.ts';
import { countFor } from '../models/viewer-counts.ts';
import { isThere, mayMeet, maySeePost } from './viewer-rules.ts';

/** A comment or reply as a reader sees it. */
export type CommentCard = {
  readonly comment_id: CommentId;
  readonly post_id: PostId;
  readonly parent_comment_id: CommentId | null;
  readonly author: UserCard;
  readonly text: string;
  readonly like_count: number;
  readonly reply_count: number;
  readonly is_liked: boolean;
  readonly created_at: Date;
};

/** The models that comments are read from. */
export const COMMENT_MODELS = ['comments', 'posts', 'accounts', 'follows', 'relationships', 'media'] as const;

type Asked<Of> = { readonly viewer: AccountId; readonly of: Of; readonly page: Page<TimePlace> };

/**
 * The comments on a post, newest first, without those of accounts that the viewer may not meet. Whether it may see the
 * post is the caller's to ask.
 */
export function commentsOn(read: ReadContext, { viewer, of, page }: Asked<PostId>): Promise<CommentCard[]> {
  return list(
    read,
    'c.post_id = $2 and c.parent_comment_id is null and (c.created_at, c.comment_id) < ($3::timestamptz, $4) and',
    'order by c.created_at desc, c.comment_id desc',
    [viewer, of, ...before(page.after), page.limit + 1],
  );
}

/** The replies to a comment, oldest first, likewise. */
export function repliesTo(read: ReadContext, { viewer, of, page }: Asked<CommentId>): Promise<CommentCard[]> {
  return list(
    read,
    'c.parent_comment_id = $2 and (c.created_at, c.comment_id) > ($3::timestamptz, $4) and',
    'order by c.created_at, c.comment_id',
    [viewer, of, ...behind(page.after), page.limit + 1],
  );
}

type CommentRow = Omit<CommentCard, 'author' | 'like_count' | 'reply_count'> &
  UserCard & { readonly like_count: string; readonly reply_count: string };

async function list(
  { sql, builds }: ReadContext,
  where: string,
  order: string,
  values: readonly unknown[],
): Promise<CommentCard[]> {
  const { rows } = await sql.query<CommentRow>(
    `${selectComments(builds)} where ${where} ${mayMeet(builds, '$1', 'a')} ${order} limit $5`,
    [...values],
  );
  return rows.map(({ account_id, username, full_name, is_private, is_verified, picture, ...row }) => ({
    ...row,
    author: { account_id, username, full_name, is_private, is_verified, picture },
    like_count: Number(row.like_count),
    reply_count: Number(row.reply_count),
  }));
}

function selectComments(builds: Builds): string {
  const comments = builds.schema('comments');
  return `
    select c.comment_id, c.post_id, c.parent_comment_id, coalesce(c.text, '') as text, c.created_at, ${countFor.replies(builds, '$1', 'c')} as reply_count, ${userColumns(builds, 'a')},
      ${countFor.commentLikes(builds, '$1', 'c.comment_id')} as like_count,
      ${isThere(`${comments}.comment_like l where l.comment_id = c.comment_id and l.account_id = $1`)} as is_liked
    from ${comments}.comment c join ${builds.schema('accounts')}.account a on a.account_id = c.account_id`;
}

/** Whether the viewer may see a post at all. */
export async function isPostVisible({ sql, builds }: ReadContext, viewer: AccountId, postId: PostId): Promise<boolean> {
  const { rowCount } = await sql.query(
    `select from ${builds.schema('posts')}.post p join ${builds.schema('accounts')}.account a on a.account_id = p.author_id
     where p.post_id = $2 and ${maySeePost(builds, '$1', { post: 'p', author: 'a' })}`,
    [viewer, postId],
  );
  return rowCount === 1;
}

/** Whether the viewer may see a comment: its post, and whoever wrote it. */
export async function isCommentVisible(
  { sql, builds }: ReadContext,
  viewer: AccountId,
  commentId: CommentId,
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `select from ${builds.schema('comments')}.comment c
     join ${builds.schema('accounts')}.account w on w.account_id = c.account_id
     join ${builds.schema('posts')}.post p on p.post_id = c.post_id
     join ${builds.schema('accounts')}.account a on a.account_id = p.author_id
     where c.comment_id = $2 and ${mayMeet(builds, '$1', 'w')} and ${maySeePost(builds, '$1', { post: 'p', author: 'a' })}`,
    [viewer, commentId],
  );
  return rowCount === 1;
}
