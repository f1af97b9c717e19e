import type { AccountId, PostId } from '../../domain/ids.ts';
import { before, type Page, type TimePlace } from './page.ts';
import type { Builds, ReadContext } from '../projection.ts';
import { maySeePost } from './viewer-rules.ts';

/** A post's place in a list that is ordered by time. */
export type ListedPost = { readonly post_id: PostId; readonly at: Date };

type Asked<Of> = { readonly viewer: AccountId; readonly of: Of; readonly page: Page<TimePlace> };

/** An account's published posts, newest first, as far as the viewer may see them. */
export function postsByAuthor(read: ReadContext, asked: Asked<AccountId>): Promise<ListedPost[]> {
  return listPosts(read, asked, (builds) => ({
    entries: `${builds.schema('posts')}.post`,
    owner: 'author_id',
    at: 'published_at',
    rule: `e.status = 'published' and p.status = 'published'`,
  }));
}

/** The posts at a place, newest first. */
export function postsAtLocation(read: ReadContext, asked: Asked<string>): Promise<ListedPost[]> {
  return listPosts(read, asked, (builds) => ({
    entries: `${builds.schema('posts')}.post`,
    owner: 'location_id',
    at: 'published_at',
    rule: `e.status = 'published' and p.status = 'published'`,
  }));
}

/** The posts with a hashtag (normalised), newest first. */
export function postsWithHashtag(read: ReadContext, asked: Asked<string>): Promise<ListedPost[]> {
  return listPosts(read, asked, (builds) => ({
    entries: `${builds.schema('hashtags')}.post_hashtag`,
    owner: 'tag',
    at: 'published_at',
    rule: `p.status = 'published'`,
  }));
}

/** What an account saved, newest save first. Whether the viewer may know is the caller's to ask. */
export function postsSavedBy(read: ReadContext, asked: Asked<AccountId>): Promise<ListedPost[]> {
  return listPosts(read, asked, (builds) => ({
    entries: `${builds.schema('saves')}.post_save`,
    owner: 'account_id',
    at: 'saved_at',
    rule: 'true',
  }));
}

type Entries = { readonly entries: string; readonly owner: string; readonly at: string; readonly rule: string };

async function listPosts(
  { sql, builds }: ReadContext,
  { viewer, of, page }: Asked<string>,
  entriesIn: (builds: Builds) => Entries,
): Promise<ListedPost[]> {
  const { entries, owner, at, rule } = entriesIn(builds);
  const { rows } = await sql.query<ListedPost>(
    `select e.post_id, e.${at} as at
     from ${entries} e
     join ${builds.schema('posts')}.post p on p.post_id = e.post_id
     join ${builds.schema('accounts')}.account a on a.account_id = p.author_id
     where e.${owner} = $2 and (e.${at}, e.post_id) < ($3::timestamptz, $4) and ${rule} and ${maySeePost(builds, '$1', { post: 'p', author: 'a' })}
     order by e.${at} desc, e.post_id desc limit $5`,
    [viewer, of, ...before(page.after), page.limit + 1],
  );
  return rows;
}

/** How a post of one's own stands; `position` is that of its publication or rejection. */
export type PostProgress = {
  readonly author_id: AccountId;
  readonly status: 'processing' | 'published' | 'rejected' | 'archived';
  readonly reason: string | null;
  readonly position: string | null;
  readonly store_id: string;
};

/** How one's own post stands; undefined when there is none that is the author's and not deleted. */
export async function progressOfOwnPost(
  { sql, builds }: ReadContext,
  author: AccountId,
  postId: PostId,
): Promise<PostProgress | undefined> {
  const { rows } = await sql.query<PostProgress>(
    `select p.author_id, p.status, p.reason, p.settled_position as position, c.store_id
     from ${builds.schema('posts')}.post p join projections.checkpoint c on c.build_id = $3
     where p.post_id = $2 and p.author_id = $1 and p.status <> 'deleted'`,
    [author, postId, builds.id('posts')],
  );
  return rows[0];
}
