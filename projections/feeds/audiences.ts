import { queryPrepared } from '../../infra/postgres.ts';
import { idList, idsIn } from '../models/id-list.ts';
import { statementFor } from '../models/prepared.ts';
import type { ReadContext } from '../projection.ts';

/** A part of an author's audience; `beyond` when so many others come before it that the audience counts as large. */
export type Audience = { readonly author: string; readonly viewers: readonly string[]; readonly beyond: boolean };

/**
 * Of whom a fan-out asks: all followers who see the author, or among them the close friends, or those an erased author
 * had.
 */
export type AudienceOf = 'followers' | 'close friends' | 'followers of erased';

/** Parts of an audience beyond so many are large: they come last, and at a limited rate. */
const LARGE_AUDIENCE = 10_000;
const AUTHORS_PER_QUERY = 2_000;
/**
 * About as many viewers are asked for at once: long pages for a few authors, short ones, which most audiences fit on,
 * for many.
 */
const VIEWERS_PER_QUERY = 20_000;
const VIEWERS_PER_PAGE = { least: 200, most: 5_000 };

/**
 * The audiences of some authors, by keyset pages, small ones first; the next page is read while the caller works on the
 * one before.
 */
export async function* audiencesOf(
  read: ReadContext,
  of: AudienceOf,
  authors: readonly string[],
): AsyncGenerator<Audience[]> {
  const todo = authors.map((author): Place => ({ author, after: FIRST, seen: 0 }));
  const readNext = async () =>
    todo.length === 0 ? undefined : audiencePage(read, of, todo.splice(0, AUTHORS_PER_QUERY));
  let next = readNext();
  for (;;) {
    const page = await next;
    if (page === undefined) return;
    todo.push(...page.more);
    next = readNext();
    // The caller may end the loop early: a failure that nobody awaits then is nobody's.
    next.catch(() => undefined);
    yield page.audiences;
  }
}

/** Sorts before every id. */
const FIRST = '!';

type Place = { readonly author: string; readonly after: string; readonly seen: number };

async function audiencePage(
  read: ReadContext,
  of: AudienceOf,
  places: readonly Place[],
): Promise<{ audiences: Audience[]; more: Place[] }> {
  const limit = Math.min(
    VIEWERS_PER_PAGE.most,
    Math.max(VIEWERS_PER_PAGE.least, Math.floor(VIEWERS_PER_QUERY / places.length)),
  );
  const [pages, hindered] = await Promise.all([
    viewersAt(read, { of, places, limit }),
    of === 'followers of erased' ? undefined : hinderedOf(read, places),
  ]);
  const seenOf = new Map(places.map(({ author, seen }) => [author, seen]));
  const more: Place[] = [];
  const audiences = pages.map(({ author, viewers }): Audience => {
    const ids = viewers.split(' ');
    const seen = seenOf.get(author) ?? 0;
    if (ids.length >= limit) more.push({ author, after: latestOf(ids), seen: seen + ids.length });
    const without = hindered?.get(author);
    return {
      author,
      viewers: without === undefined ? ids : ids.filter((id) => !without.has(id)),
      beyond: seen >= LARGE_AUDIENCE,
    };
  });
  return { audiences, more };
}

const latestOf = (ids: readonly string[]) => ids.reduce((latest, id) => (id > latest ? id : latest), FIRST);

type Page = {
  readonly author: string;
  /** Ids between spaces: one value costs the driver less than a row for each. */ readonly viewers: string;
};

async function viewersAt(
  { sql, builds }: ReadContext,
  { of, places, limit }: { of: AudienceOf; places: readonly Place[]; limit: number },
): Promise<Page[]> {
  const follow = `${builds.schema('follows')}.follow`;
  const source = {
    followers: { table: follow, author: 'followee_id', viewer: 'follower_id', also: 'true' },
    'close friends': {
      table: `${builds.schema('relationships')}.close_friend`,
      author: 'account_id',
      viewer: 'friend_id',
      also: `exists (select from ${follow} f where f.follower_id = s.friend_id and f.followee_id = s.account_id)`,
    },
    'followers of erased': {
      table: `${builds.schema('follows')}.follower_of_erased`,
      author: 'account_id',
      viewer: 'follower_id',
      also: 'true',
    },
  }[of];
  const { rows } = await sql.query<Page>(
    `select place.author, page.viewers
     from unnest(${idsIn(1)}, ${idsIn(2)}) as place (author, after)
     cross join lateral (
       select string_agg(next.id, ' ') as viewers from (
         select s.${source.viewer} as id from ${source.table} s
         where s.${source.author} = place.author and s.${source.viewer} > place.after and ${source.also} order by s.${source.viewer} limit $3
       ) next
     ) page
     where page.viewers is not null`,
    [idList(places.map(({ author }) => author)), idList(places.map(({ after }) => after)), limit],
  );
  return rows;
}

// Prepared, because to plan it with the authors at hand takes milliseconds and almost nobody is found; joined, because
// a plan that does not know the array compares each row with all of it.
const hinderedStatement = statementFor('hindered', (builds) => {
  const relationships = builds.schema('relationships');
  const authors = `unnest(${idsIn(1)}) as author (id)`;
  return `
    select muted_id as author, muter_id as viewer from ${authors} join ${relationships}.mute on muted_id = author.id
    union all select blocked_id, blocker_id from ${authors} join ${relationships}.block on blocked_id = author.id
    union all select blocker_id, blocked_id from ${authors} join ${relationships}.block on blocker_id = author.id`;
});

/**
 * Who must not get an author's entries although they follow: usually nobody, so that it is cheaper to ask once an
 * author than for each follower.
 */
async function hinderedOf({ sql, builds }: ReadContext, places: readonly Place[]): Promise<Map<string, Set<string>>> {
  const rows = await queryPrepared<{ author: string; viewer: string }>(sql, hinderedStatement(builds), [
    idList(places.map(({ author }) => author)),
  ]);
  const hindered = new Map<string, Set<string>>();
  for (const { author, viewer } of rows) hindered.set(author, (hindered.get(author) ?? new Set()).add(viewer));
  return hindered;
}
