import type { AccountId } from '../../domain/ids.ts';
import { newId } from '../../infra/ids.ts';
import type { Graph } from './graph.ts';
import { inPortions, type Models } from './models.ts';

const HOUR_MS = 3_600_000;

/**
 * Gives every account `each` published posts with one picture, spread over the last six days, and some likes and
 * comments.
 */
export async function writePosts(
  { pool, builds }: Models,
  { accounts }: Graph,
  each: number,
  now: Date,
): Promise<number> {
  const posts = accounts.flatMap((author, a) =>
    Array.from({ length: each }, (_, i) => ({
      id: newId.post(),
      media: newId.media(),
      author,
      at: new Date(now.getTime() - HOUR_MS - ((a * 7_919 + i * 104_729) % 8_500) * 60_000).toISOString(),
    })),
  );
  const posted = builds.schema('posts');
  await inPortions(posts, async (some) => {
    const columns = [
      some.map(({ id }) => id),
      some.map(({ media }) => media),
      some.map(({ author }) => author),
      some.map(({ at }) => at),
    ];
    const rows = 'unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as t (id, media, author, at)';
    await pool.query(
      `with given as materialized (select * from ${rows}),
       post as (insert into ${posted}.post (post_id, author_id, caption, comments_disabled, status, created_at, published_at) select id, author, 'A picture of the day', false, 'published', at, at from given),
       medium as (insert into ${posted}.post_media (post_id, ordinal, media_id) select id, 0, media from given),
       likes as (insert into ${builds.schema('likes')}.like_count select id, 1 + abs(hashtext(id)) % 200 from given),
       comments as (insert into ${builds.schema('comments')}.comment_count select id, 1 + abs(hashtext(media)) % 20 from given)
       insert into ${builds.schema('media')}.media (media_id, owner_id, kind, status, width, height, blurhash, variants, keys, requested_at)
       select media, author, 'image', 'ready', 1080, 810, 'LEHV6nWB2yk8pyo0adR*', '[]',
         json_build_object('thumbnail', 'media/' || media || '/thumbnail.webp', 'small', 'media/' || media || '/small.webp', 'medium', 'media/' || media || '/medium.webp', 'large', 'media/' || media || '/large.webp'), at
       from given`,
      columns,
    );
  });
  await pool.query('vacuum analyze');
  return posts.length;
}

/** Accounts with most followers, and everybody following them: the celebrities of a world. */
export function withCelebrities(graph: Graph, count: number): { graph: Graph; celebrities: ReadonlySet<AccountId> } {
  const stars = Array.from({ length: count }, () => newId.account());
  const first = graph.accounts.length;
  const follows = graph.accounts.flatMap((_, viewer) => stars.map((_star, i) => [viewer, first + i] as const));
  return {
    graph: { ...graph, accounts: [...graph.accounts, ...stars], follows: [...graph.follows, ...follows] },
    celebrities: new Set(stars),
  };
}
