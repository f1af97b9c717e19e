import type { AccountId, PostId } from '../../domain/ids.ts';
import { queryPrepared } from '../../infra/postgres.ts';
import { statementFor } from '../models/prepared.ts';
import type { Builds, ReadContext } from '../projection.ts';

/** What ranking knows of a post. */
export type PostSignals = {
  readonly post_id: PostId;
  readonly author_id: AccountId;
  readonly published_ms: number;
  readonly likes: number;
  readonly comments: number;
  readonly saves: number;
  readonly tags: readonly string[];
};

const statement = statementFor(
  'post_signals',
  (builds: Builds) => `
    select p.post_id, p.author_id, (extract(epoch from p.published_at) * 1000)::bigint as published_ms,
      coalesce(l.likes, 0) as likes, coalesce(c.comments, 0) as comments, coalesce(s.saves, 0) as saves, coalesce(t.tags, '{}') as tags
    from unnest($1::text[]) as wanted (post_id)
    join ${builds.schema('posts')}.post p on p.post_id = wanted.post_id and p.status = 'published'
    left join ${builds.schema('likes')}.like_count l on l.post_id = p.post_id
    left join ${builds.schema('comments')}.comment_count c on c.post_id = p.post_id
    left join ${builds.schema('saves')}.save_count s on s.post_id = p.post_id
    left join ${builds.schema('hashtags')}.tagged_post t on t.post_id = p.post_id`,
);

/** The signals of those of `postIds` that are published, in no order. */
export async function postSignals({ sql, builds }: ReadContext, postIds: readonly string[]): Promise<PostSignals[]> {
  if (postIds.length === 0) return [];
  const rows = await queryPrepared<SignalRow>(sql, statement(builds), [postIds]);
  return rows.map(signalsOf);
}

type SignalRow = Pick<PostSignals, 'post_id' | 'author_id' | 'tags'> & {
  readonly published_ms: string;
  readonly likes: string;
  readonly comments: string;
  readonly saves: string;
};

function signalsOf(row: SignalRow): PostSignals {
  return {
    ...row,
    published_ms: Number(row.published_ms),
    likes: Number(row.likes),
    comments: Number(row.comments),
    saves: Number(row.saves),
  };
}

/** So many of the newest posts are looked at for what is popular. */
const NEWEST_LOOKED_AT = 5_000;

/** The most engaging posts of public accounts since a time, best first: what may be recommended to anybody. */
export async function popularPosts({ sql, builds }: ReadContext, since: Date, limit: number): Promise<PostSignals[]> {
  const { rows } = await sql.query<SignalRow>(
    `select p.post_id, p.author_id, (extract(epoch from p.published_at) * 1000)::bigint as published_ms,
       coalesce(l.likes, 0) as likes, coalesce(c.comments, 0) as comments, coalesce(s.saves, 0) as saves, coalesce(t.tags, '{}') as tags
     from (select post_id, author_id, published_at from ${builds.schema('posts')}.post where status = 'published' and published_at > $1
           order by published_at desc, post_id desc limit ${NEWEST_LOOKED_AT}) p
     join ${builds.schema('accounts')}.account a on a.account_id = p.author_id and a.status = 'active' and not a.is_private
     left join ${builds.schema('likes')}.like_count l on l.post_id = p.post_id
     left join ${builds.schema('comments')}.comment_count c on c.post_id = p.post_id
     left join ${builds.schema('saves')}.save_count s on s.post_id = p.post_id
     left join ${builds.schema('hashtags')}.tagged_post t on t.post_id = p.post_id
     order by 5 * ln(1 + coalesce(l.likes, 0)) + 3 * ln(1 + coalesce(c.comments, 0)) + 2 * ln(1 + coalesce(s.saves, 0)) desc, p.published_at desc, p.post_id desc
     limit $2`,
    [since, limit],
  );
  return rows.map(signalsOf);
}
