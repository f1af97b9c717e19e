import { FEED, LIMITS } from '../../domain/limits.ts';
import type { Entry } from '../../infra/redis/sorted-index.ts';
import type { ReadContext } from '../projection.ts';

/**
 * What the sorted sets on Redis must hold, computed from the PostgreSQL read models. A feed is the newest entries of
 * the accounts that its viewer follows and neither blocks, is blocked by, nor mutes, authors below the celebrity line;
 * an author's index is the author's newest entries. Posts and stories differ only in what this record says.
 */
export type EntryKind = {
  readonly name: 'post' | 'story';
  readonly projection: 'posts' | 'stories';
  /** Older entries are in no feed. */
  readonly windowMs: number;
  readonly feedEntries: number;
  readonly authorEntries: number;
  /** Whether an entry may be for close friends alone. */
  readonly audiences: boolean;
  /** The column with the time at which the author made the entry; it shows some time later. */
  readonly madeAt: string;
};

export const POSTS: EntryKind = {
  name: 'post',
  projection: 'posts',
  windowMs: FEED.windowMs,
  feedEntries: FEED.entries,
  authorEntries: FEED.celebrityEntries,
  audiences: false,
  madeAt: 'created_at',
};
export const STORIES: EntryKind = {
  name: 'story',
  projection: 'stories',
  windowMs: LIMITS.storyLifetimeMs,
  feedEntries: FEED.entries,
  authorEntries: FEED.celebrityEntries,
  audiences: true,
  madeAt: 'posted_at',
};

/** The PostgreSQL models that the definition reads, but for those of the entries. */
export const AUDIENCE_MODELS = ['accounts', 'follows', 'relationships'] as const;

/**
 * The feeds of some viewers at `now`, newest first, at most `kind.feedEntries` each. A viewer who is gone has an empty
 * one.
 */
export async function feedsByDefinition(
  read: ReadContext,
  kind: EntryKind,
  viewers: readonly string[],
  now: Date,
): Promise<Map<string, Entry[]>> {
  const { sql, builds } = read;
  const accounts = builds.schema('accounts');
  const { rows } = await sql.query<{ viewer: string; entries: string }>(
    `select viewer.id as viewer, ${packed('found')} as entries
     from unnest($1::text[]) as viewer (id)
     join ${accounts}.account self on self.account_id = viewer.id and self.status = 'active'
     cross join lateral (
       select entry.id, entry.published_at
       from ${builds.schema('follows')}.follow f
       join ${accounts}.account author on author.account_id = f.followee_id and author.status = 'active' and not author.is_celebrity
       cross join lateral (
         select e.${kind.name}_id as id, e.published_at from ${builds.schema(kind.projection)}.${kind.name} e
         where e.author_id = f.followee_id and e.status = 'published' and e.published_at > $2 ${forCloseFriends(read, kind, 'f')}
         order by e.published_at desc, e.${kind.name}_id desc limit ${kind.feedEntries}
       ) entry
       where f.follower_id = viewer.id and ${unhindered(read, 'f')}
       order by entry.published_at desc, entry.id desc limit ${kind.feedEntries}
     ) found
     group by viewer.id`,
    [viewers, new Date(now.getTime() - kind.windowMs)],
  );
  const feeds = new Map<string, Entry[]>(viewers.map((id) => [id, []]));
  for (const { viewer, entries } of rows) feeds.set(viewer, unpacked(entries));
  return feeds;
}

/** The newest entries of some authors, whatever their audience, newest first, at most `kind.authorEntries` each. */
export async function authorIndexesByDefinition(
  { sql, builds }: ReadContext,
  kind: EntryKind,
  authors: readonly string[],
  now: Date,
): Promise<Map<string, Entry[]>> {
  const { rows } = await sql.query<{ author: string; entries: string }>(
    `select author.account_id as author, ${packed('entry')} as entries
     from ${builds.schema('accounts')}.account author
     cross join lateral (
       select e.${kind.name}_id as id, e.published_at from ${builds.schema(kind.projection)}.${kind.name} e
       where e.author_id = author.account_id and e.status = 'published' and e.published_at > $2
       order by e.published_at desc, e.${kind.name}_id desc limit ${kind.authorEntries}
     ) entry
     where author.account_id = any($1::text[]) and author.status = 'active'
     group by author.account_id`,
    [authors, authorIndexFrom(kind, now)],
  );
  const indexes = new Map<string, Entry[]>(authors.map((id) => [id, []]));
  for (const { author, entries } of rows) indexes.set(author, unpacked(entries));
  return indexes;
}

/** An author's posts have no window there (a celebrity may pause for a month); stories expire everywhere. */
export function authorIndexFrom(kind: EntryKind, now: Date): Date {
  return kind === POSTS ? new Date(0) : new Date(now.getTime() - kind.windowMs);
}

/** SQL: nothing stands between follower and followee of the row `pair`. */
export function unhindered({ builds }: ReadContext, pair: string): string {
  const relationships = builds.schema('relationships');
  const [viewer, author] = [`${pair}.follower_id`, `${pair}.followee_id`];
  return `not exists (select from ${relationships}.mute m where m.muter_id = ${viewer} and m.muted_id = ${author})
    and not exists (select from ${relationships}.block b where b.blocker_id = ${viewer} and b.blocked_id = ${author})
    and not exists (select from ${relationships}.block b where b.blocker_id = ${author} and b.blocked_id = ${viewer})`;
}

function forCloseFriends({ builds }: ReadContext, kind: EntryKind, pair: string): string {
  if (!kind.audiences) return '';
  return `and (e.audience = 'all' or exists (
    select from ${builds.schema('relationships')}.close_friend c where c.account_id = ${pair}.followee_id and c.friend_id = ${pair}.follower_id))`;
}

/**
 * SQL: ids and publication milliseconds of a group's rows as one string, which costs the driver one value instead of
 * hundreds.
 */
function packed(row: string): string {
  return `string_agg(${row}.id || ' ' || ${milliseconds(`${row}.published_at`)}, ' ' order by ${row}.published_at desc, ${row}.id desc)`;
}

/** SQL: a time as whole milliseconds since 1970. */
export function milliseconds(time: string): string {
  return `(extract(epoch from ${time}) * 1000)::bigint`;
}

function unpacked(text: string): Entry[] {
  const words = text.split(' ');
  return Array.from({ length: words.length / 2 }, (_, i) => ({
    id: words[2 * i] ?? '',
    score: Number(words[2 * i + 1]),
  }));
}
