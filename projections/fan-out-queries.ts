import type { Entry } from '../infra/sorted-indexes.ts';
import type { Pair } from './fan-out-work.ts';
import { milliseconds, unhindered, type EntryKind } from './feed-definition.ts';
import { idList, idsIn } from './id-list.ts';
import { queryPrepared, statementFor } from './prepared.ts';
import type { ReadContext } from './projection.ts';

/** How an author's entries reach followers: written to their feeds, pulled by readers (celebrities), or not at all. */
export type Reach = 'pushed' | 'pulled' | 'gone';

/** An entry as it stands now. `score` is undefined when it never showed, or is deleted. */
export type EntryNow = { readonly id: string; readonly author: string; readonly reach: Reach; readonly shown: boolean; readonly closeOnly: boolean; readonly score: number | undefined };

/** An author of whom another place than followers' feeds may have to know: see the partial index of accounts. */
const UNCOMMON = `(t.was_celebrity or t.status <> 'active')`;
const reachOf = (author: string) => `case when ${author}.status <> 'active' then 'gone' when ${author}.is_celebrity then 'pulled' else 'pushed' end`;
const closeOnlyOf = (kind: EntryKind) => (kind.audiences ? `(e.audience = 'close_friends')` : 'false');

/**
 * Entries by id; those of which the model knows nothing are missing. Each is looked up by its key, and its author among
 * the few whose entries are not pushed: for some thousand entries a planner left to itself would read all accounts there
 * are. They come as one text, which costs server and driver a third of what a row for each does.
 */
export async function entriesNow({ sql, builds }: ReadContext, kind: EntryKind, ids: readonly string[]): Promise<EntryNow[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql.query<{ entries: string | null }>(
    `select string_agg(e.${kind.name}_id || ' ' || e.author_id || ' ' || ${reachOf('a')} || ' ' || e.status || ' ' ||
       case when ${closeOnlyOf(kind)} then 'close' else 'all' end || ' ' || coalesce(${milliseconds('e.published_at')}::text, '-'), ' ') as entries
     from unnest(${idsIn(1)}) as wanted (id)
     cross join lateral (select * from ${builds.schema(kind.projection)}.${kind.name} t where t.${kind.name}_id = wanted.id limit 1) e
     left join lateral (select * from ${builds.schema('accounts')}.account t where t.account_id = e.author_id and ${UNCOMMON} limit 1) a on true`,
    [idList(ids)],
  );
  return entriesIn(rows[0]?.entries ?? '');
}

const WORDS = 6;

function entriesIn(text: string): EntryNow[] {
  const words = text === '' ? [] : text.split(' ');
  const entries: EntryNow[] = [];
  for (let at = 0; at < words.length; at += WORDS) {
    const [reach, score] = [words[at + 2], words[at + 5]];
    entries.push({
      id: words[at] ?? '', author: words[at + 1] ?? '', reach: reach === 'gone' || reach === 'pulled' ? reach : 'pushed',
      shown: words[at + 3] === 'published', closeOnly: words[at + 4] === 'close', score: score === '-' ? undefined : Number(score),
    });
  }
  return entries;
}

/** Those of some accounts who are or ever were celebrities. */
export async function everPulled({ sql, builds }: ReadContext, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const { rows } = await sql.query<{ id: string }>(`select account_id as id from ${builds.schema('accounts')}.account where account_id = any(${idsIn(1)}) and was_celebrity`, [idList(ids)]);
  return new Set(rows.map(({ id }) => id));
}

/** An author's entries: those that show, newest first, and the ids of all that may have been in feeds. */
export type AuthorNow = { readonly reach: Reach; readonly shown: readonly (Entry & { readonly closeOnly: boolean })[]; readonly hidden: readonly string[] };

/**
 * What some authors have that feeds may hold. `hidden` are recent entries that do not show: the models may be ahead of
 * the lane, so that an entry which is still in a feed is deleted already. An entry shows at most one window after it was made.
 */
export async function authorsNow({ sql, builds }: ReadContext, kind: EntryKind, authors: readonly string[], now: Date): Promise<Map<string, AuthorNow>> {
  const found = new Map<string, AuthorNow>(authors.map((id) => [id, { reach: 'gone', shown: [], hidden: [] }]));
  if (authors.length === 0) return found;
  const { rows } = await sql.query<{ author: string; reach: Reach; entries: string | null }>(
    `select a.account_id as author, ${reachOf('a')} as reach, (
       select string_agg(e.${kind.name}_id || ' ' || coalesce(${milliseconds('e.published_at')}, 0) || ' ' ||
         case when e.status <> 'published' then 'hidden' when ${closeOnlyOf(kind)} then 'close' else 'all' end, ' '
         order by e.published_at desc nulls last, e.${kind.name}_id desc)
       from ${builds.schema(kind.projection)}.${kind.name} e
       where e.author_id = a.account_id and (e.status = 'published' and e.published_at > $2 or e.status <> 'published' and e.${kind.madeAt} > $3)
     ) as entries
     from ${builds.schema('accounts')}.account a where a.account_id = any($1::text[])`,
    [authors, new Date(now.getTime() - kind.windowMs), new Date(now.getTime() - 2 * kind.windowMs)],
  );
  for (const { author, reach, entries } of rows) found.set(author, { reach, ...unpacked(entries ?? '') });
  return found;
}

function unpacked(text: string): Pick<AuthorNow, 'shown' | 'hidden'> {
  const words = text === '' ? [] : text.split(' ');
  const shown: (Entry & { closeOnly: boolean })[] = [];
  const hidden: string[] = [];
  for (let i = 0; i + 2 < words.length; i += 3) {
    const [id = '', score = '', flag = ''] = words.slice(i, i + 3);
    if (flag === 'hidden') hidden.push(id);
    else shown.push({ id, score: Number(score), closeOnly: flag === 'close' });
  }
  return { shown, hidden };
}

/** Whether the viewer of a pair gets the author's entries, and those for close friends too. */
export type PairNow = Pair & { readonly gets: boolean; readonly close: boolean };

/** How things stand between authors and viewers. */
export async function pairsNow(read: ReadContext, pairs: readonly Pair[]): Promise<PairNow[]> {
  if (pairs.length === 0) return [];
  const { sql, builds } = read;
  const { rows } = await sql.query<PairNow>(
    `select p.followee_id as author, p.follower_id as viewer,
       exists (select from ${builds.schema('follows')}.follow f where f.follower_id = p.follower_id and f.followee_id = p.followee_id) and ${unhindered(read, 'p')} as gets,
       exists (select from ${builds.schema('relationships')}.close_friend c where c.account_id = p.followee_id and c.friend_id = p.follower_id) as close
     from unnest($1::text[], $2::text[]) as p (followee_id, follower_id)`,
    [pairs.map(({ author }) => author), pairs.map(({ viewer }) => viewer)],
  );
  return rows;
}

/** A part of an author's audience; `beyond` when so many others come before it that the audience counts as large. */
export type Audience = { readonly author: string; readonly viewers: readonly string[]; readonly beyond: boolean };

/** Of whom a fan-out asks: all followers who see the author, or among them the close friends, or those an erased author had. */
export type AudienceOf = 'followers' | 'close friends' | 'followers of erased';

/** Parts of an audience beyond so many are large: they come last, and at a limited rate. */
const LARGE_AUDIENCE = 10_000;
const AUTHORS_PER_QUERY = 2_000;
/** About as many viewers are asked for at once: long pages for a few authors, short ones, which most audiences fit on, for many. */
const VIEWERS_PER_QUERY = 20_000;
const VIEWERS_PER_PAGE = { least: 200, most: 5_000 };

/** The audiences of some authors, by keyset pages, small ones first; the next page is read while the caller works on the one before. */
export async function* audiencesOf(read: ReadContext, of: AudienceOf, authors: readonly string[]): AsyncGenerator<Audience[]> {
  const todo = authors.map((author): Place => ({ author, after: FIRST, seen: 0 }));
  const readNext = async () => (todo.length === 0 ? undefined : audiencePage(read, of, todo.splice(0, AUTHORS_PER_QUERY)));
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

async function audiencePage(read: ReadContext, of: AudienceOf, places: readonly Place[]): Promise<{ audiences: Audience[]; more: Place[] }> {
  const limit = Math.min(VIEWERS_PER_PAGE.most, Math.max(VIEWERS_PER_PAGE.least, Math.floor(VIEWERS_PER_QUERY / places.length)));
  const [pages, hindered] = await Promise.all([viewersAt(read, { of, places, limit }), of === 'followers of erased' ? undefined : hinderedOf(read, places)]);
  const seenOf = new Map(places.map(({ author, seen }) => [author, seen]));
  const more: Place[] = [];
  const audiences = pages.map(({ author, viewers }): Audience => {
    const ids = viewers.split(' ');
    const seen = seenOf.get(author) ?? 0;
    if (ids.length >= limit) more.push({ author, after: latestOf(ids), seen: seen + ids.length });
    const without = hindered?.get(author);
    return { author, viewers: without === undefined ? ids : ids.filter((id) => !without.has(id)), beyond: seen >= LARGE_AUDIENCE };
  });
  return { audiences, more };
}

const latestOf = (ids: readonly string[]) => ids.reduce((latest, id) => (id > latest ? id : latest), FIRST);

type Page = { readonly author: string; /** Ids between spaces: one value costs the driver less than a row for each. */ readonly viewers: string };

async function viewersAt({ sql, builds }: ReadContext, { of, places, limit }: { of: AudienceOf; places: readonly Place[]; limit: number }): Promise<Page[]> {
  const follow = `${builds.schema('follows')}.follow`;
  const source = {
    'followers': { table: follow, author: 'followee_id', viewer: 'follower_id', also: 'true' },
    'close friends': {
      table: `${builds.schema('relationships')}.close_friend`, author: 'account_id', viewer: 'friend_id',
      also: `exists (select from ${follow} f where f.follower_id = s.friend_id and f.followee_id = s.account_id)`,
    },
    'followers of erased': { table: `${builds.schema('follows')}.follower_of_erased`, author: 'account_id', viewer: 'follower_id', also: 'true' },
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

// Prepared: to plan it with the authors at hand takes milliseconds, and almost nobody is found.
const hinderedStatement = statementFor('hindered', (builds) => {
  const relationships = builds.schema('relationships');
  return `
    select muted_id as author, muter_id as viewer from ${relationships}.mute where muted_id = any(${idsIn(1)})
    union all select blocked_id, blocker_id from ${relationships}.block where blocked_id = any(${idsIn(1)})
    union all select blocker_id, blocked_id from ${relationships}.block where blocker_id = any(${idsIn(1)})`;
});

/** Who must not get an author's entries although they follow: usually nobody, so that it is cheaper to ask once an author than for each follower. */
async function hinderedOf({ sql, builds }: ReadContext, places: readonly Place[]): Promise<Map<string, Set<string>>> {
  const rows = await queryPrepared<{ author: string; viewer: string }>(sql, hinderedStatement(builds), [idList(places.map(({ author }) => author))]);
  const hindered = new Map<string, Set<string>>();
  for (const { author, viewer } of rows) hindered.set(author, (hindered.get(author) ?? new Set()).add(viewer));
  return hindered;
}
