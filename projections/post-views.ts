import type { AccountId } from '../domain/ids.ts';
import { cardVersion } from './post-cards.ts';
import { queryPrepared, statementFor } from './prepared.ts';
import type { Builds, ReadContext } from './projection.ts';
import { follows, isThere, mayMeet } from './viewer-rules.ts';

/** What a post's card says to one viewer at this moment, and the version of everything else on it. */
export type PostView = {
  readonly version: string;
  readonly like_count: number;
  readonly comment_count: number;
  readonly is_liked: boolean;
  readonly is_saved: boolean;
  /** Whether the viewer follows the author; a post by somebody else is one to recommend. */
  readonly followed: boolean;
};

const statement = statementFor('post_views', (builds: Builds) => {
  const [likes, saves] = [builds.schema('likes'), builds.schema('saves')];
  const flag = (condition: string) => `case when ${condition} then '1' else '0' end`;
  const followed = follows(builds, '$1', 'p.author_id');
  return `
    select string_agg(concat_ws(' ', p.post_id, ${cardVersion('p', 'a')},
      coalesce((select c.likes from ${likes}.like_count c where c.post_id = p.post_id), 0),
      coalesce((select c.comments from ${builds.schema('comments')}.comment_count c where c.post_id = p.post_id), 0),
      ${flag(isThere(`${likes}.post_like l where l.post_id = p.post_id and l.account_id = $1`))},
      ${flag(isThere(`${saves}.post_save s where s.post_id = p.post_id and s.account_id = $1`))},
      ${flag(followed)}), E'\\n') as views
    from unnest($2::text[]) as wanted (post_id)
    join ${builds.schema('posts')}.post p on p.post_id = wanted.post_id and p.status = 'published' and p.author_id <> $1
    join ${builds.schema('accounts')}.account a on a.account_id = p.author_id
    where ${mayMeet(builds, '$1', 'a')} and (not a.is_private or ${followed})
      and not ${isThere(`${builds.schema('relationships')}.mute m where m.muter_id = $1 and m.muted_id = p.author_id`)}`;
});

/**
 * Those of some posts that may stand in the viewer's feed, at the models' own checkpoint, whatever an index says:
 * published, by others, nobody muted or blocked either way, and nobody private who is not followed. One round trip, one
 * value: a feed asks this for every page, and the driver's work for a row is more than the server's.
 */
export async function postViews({ sql, builds }: ReadContext, viewer: AccountId, postIds: readonly string[]): Promise<Map<string, PostView>> {
  if (postIds.length === 0) return new Map();
  const [row] = await queryPrepared<{ views: string | null }>(sql, statement(builds), [viewer, postIds]);
  return new Map((row?.views ?? '').split('\n').filter((line) => line !== '').map(viewOf));
}

function viewOf(line: string): [postId: string, view: PostView] {
  const [postId = '', version = '', likes, comments, liked, saved, followed] = line.split(' ');
  return [postId, { version, like_count: Number(likes), comment_count: Number(comments), is_liked: liked === '1', is_saved: saved === '1', followed: followed === '1' }];
}
