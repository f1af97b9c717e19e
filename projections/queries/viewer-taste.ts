import type { AccountId } from '../../domain/ids.ts';
import { queryPrepared } from '../../infra/postgres.ts';
import { statementFor } from '../models/prepared.ts';
import type { Builds, ReadContext } from '../projection.ts';

/** What a viewer has shown to like lately: authors, from 0 to 1, and hashtags, the favourite one at 1. */
export type ViewerTaste = { readonly authors: ReadonlyMap<string, number>; readonly tags: ReadonlyMap<string, number> };

/** How much an act of the viewer binds it to the author, of 100. */
const WEIGHTS = { like: 0.3, comment: 0.4, save: 0.2 } as const;
const FULL = 100;
const WINDOW_MS = 30 * 24 * 3_600_000;
const ACTS_AT_MOST = 1_000;
const TAGS_AT_MOST = 50;

const statement = statementFor(
  'viewer_taste',
  (builds: Builds) => `
  with act as materialized (
    (select post_id, ${WEIGHTS.like} as weight from ${builds.schema('likes')}.post_like where account_id = $1 and liked_at > $2 order by liked_at desc limit ${ACTS_AT_MOST})
    union all (select post_id, ${WEIGHTS.comment} from ${builds.schema('comments')}.comment where account_id = $1 and created_at > $2 order by created_at desc limit ${ACTS_AT_MOST})
    union all (select post_id, ${WEIGHTS.save} from ${builds.schema('saves')}.post_save where account_id = $1 and saved_at > $2 order by saved_at desc limit ${ACTS_AT_MOST}))
  select p.author_id as author, null as tag, sum(a.weight)::double precision as weight from act a join ${builds.schema('posts')}.post p on p.post_id = a.post_id group by p.author_id
  union all (
    select null, tag, count(*) from act a join ${builds.schema('hashtags')}.tagged_post t on t.post_id = a.post_id cross join unnest(t.tags) as tag
    group by tag order by count(*) desc, tag limit ${TAGS_AT_MOST})`,
);

/** Reads a viewer's taste off its likes, comments and saves of the last 30 days. */
export async function viewerTaste({ sql, builds }: ReadContext, viewer: AccountId, now: Date): Promise<ViewerTaste> {
  const rows = await queryPrepared<{ author: string | null; tag: string | null; weight: number }>(
    sql,
    statement(builds),
    [viewer, new Date(now.getTime() - WINDOW_MS)],
  );
  const most = Math.max(1, ...rows.map(({ tag, weight }) => (tag === null ? 0 : weight)));
  return {
    authors: new Map(
      rows.flatMap(({ author, weight }) => (author === null ? [] : [[author, Math.min(1, weight / FULL)] as const])),
    ),
    tags: new Map(rows.flatMap(({ tag, weight }) => (tag === null ? [] : [[tag, weight / most] as const]))),
  };
}
