import type { AccountId } from '../../domain/ids.ts';
import { queryPrepared } from '../../infra/postgres.ts';
import { cardVersion } from './post-cards.ts';
import { statementFor } from '../models/prepared.ts';
import type { Builds, ReadContext } from '../projection.ts';
import { hasBlocks } from '../models/viewer-counts.ts';
import { follows, isThere } from './viewer-rules.ts';

/** What a post's card says to one viewer at this moment, and the version of everything else on it. */
export type PostView = {
  readonly version: string;
  readonly like_count: number;
  readonly comment_count: number;
  readonly is_liked: boolean;
  readonly is_saved: boolean;
  /** Whether the viewer follows the author; a post by somebody else is one to recommend. */
  readonly followed: boolean;
  /** Whether the counts may have somebody in them whom a block hides from the viewer: see `hiddenCounts`. */
  readonly blocks: boolean;
};

/**
 * What `PostView` is made of, by whom it changes with: the post, its author, and what the viewer has to do with either.
 */
export type PostFacts = {
  readonly post: {
    readonly id: string;
    readonly author: string;
    readonly row: string;
    readonly likes: number;
    readonly comments: number;
  };
  readonly author: { readonly row: string; readonly isPrivate: boolean; readonly isActive: boolean };
  /** Whether the viewer likes and keeps the post. */
  readonly marks: { readonly liked: boolean; readonly saved: boolean };
  /**
   * Whether the viewer follows the author, whether one has blocked the other or the viewer muted the author, and
   * whether the viewer has a block with anybody.
   */
  readonly ties: { readonly followed: boolean; readonly hidden: boolean; readonly blocks: boolean };
};

/** The models that `postFacts` reads. */
export const POST_VIEW_MODELS = [
  'accounts',
  'follows',
  'relationships',
  'posts',
  'likes',
  'saves',
  'comments',
] as const;

const statement = statementFor('post_facts', (builds: Builds) => {
  const [likes, saves] = [builds.schema('likes'), builds.schema('saves')];
  const blocks = (blocker: string, blocked: string) =>
    isThere(`${builds.schema('relationships')}.block b where b.blocker_id = ${blocker} and b.blocked_id = ${blocked}`);
  const flag = (condition: string) => `case when ${condition} then '1' else '0' end`;
  return `
    select string_agg(concat_ws(' ', p.post_id, p.author_id, ${cardVersion('p', 'a')},
      coalesce((select c.likes from ${likes}.like_count c where c.post_id = p.post_id), 0),
      coalesce((select c.comments from ${builds.schema('comments')}.comment_count c where c.post_id = p.post_id), 0),
      ${flag('a.is_private')}, ${flag("a.status = 'active'")},
      ${flag(isThere(`${likes}.post_like l where l.post_id = p.post_id and l.account_id = $1`))},
      ${flag(isThere(`${saves}.post_save s where s.post_id = p.post_id and s.account_id = $1`))},
      ${flag(follows(builds, '$1', 'p.author_id'))},
      ${flag(`${blocks('$1', 'p.author_id')} or ${blocks('p.author_id', '$1')} or ${isThere(`${builds.schema('relationships')}.mute m where m.muter_id = $1 and m.muted_id = p.author_id`)}`)},
      ${flag(hasBlocks(builds, '$1'))}), E'\\n') as facts
    from unnest($2::text[]) as wanted (post_id)
    join ${builds.schema('posts')}.post p on p.post_id = wanted.post_id and p.status = 'published'
    join ${builds.schema('accounts')}.account a on a.account_id = p.author_id`;
});

/**
 * What the models say of those of some posts that are published, at their own checkpoint. One round trip, one value: a
 * feed asks this for a page, and the driver's work for a row is more than the server's.
 */
export async function postFacts(
  { sql, builds }: ReadContext,
  viewer: AccountId,
  postIds: readonly string[],
): Promise<PostFacts[]> {
  if (postIds.length === 0) return [];
  const [row] = await queryPrepared<{ facts: string | null }>(sql, statement(builds), [viewer, postIds]);
  return (row?.facts ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map(factsOf);
}

function factsOf(line: string): PostFacts {
  const [
    id = '',
    author = '',
    version = '',
    likes,
    comments,
    isPrivate,
    isActive,
    liked,
    saved,
    followed,
    hidden,
    blocks,
  ] = line.split(' ');
  const [postRow = '', authorRow = ''] = version.split('/');
  return {
    post: {
      id: apart(id),
      author: apart(author),
      row: apart(postRow),
      likes: Number(likes),
      comments: Number(comments),
    },
    author: { row: apart(authorRow), isPrivate: isPrivate === '1', isActive: isActive === '1' },
    marks: { liked: liked === '1', saved: saved === '1' },
    ties: { followed: followed === '1', hidden: hidden === '1', blocks: blocks === '1' },
  };
}

/** A part of a text keeps all of it in memory, and these are kept for long. */
function apart(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/**
 * Whether a post may stand in the viewer's feed, whatever an index says, and what its card then says: published, by
 * somebody else, nobody muted or blocked either way, and nobody private who is not followed.
 */
export function viewOf(viewer: AccountId, { post, author, marks, ties }: PostFacts): PostView | undefined {
  if (post.author === viewer || !author.isActive || ties.hidden || (author.isPrivate && !ties.followed))
    return undefined;
  return {
    version: `${post.row}/${author.row}`,
    like_count: post.likes,
    comment_count: post.comments,
    is_liked: marks.liked,
    is_saved: marks.saved,
    followed: ties.followed,
    blocks: ties.blocks,
  };
}
