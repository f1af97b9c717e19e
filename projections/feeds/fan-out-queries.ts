import type { Entry } from '../../infra/redis/sorted-index.ts';
import { UNCOMMON } from '../models/accounts.ts';
import type { Pair } from './fan-out-work.ts';
import { milliseconds, unhindered, type EntryKind } from './feed-definition.ts';
import { idList, idsIn } from '../models/id-list.ts';
import type { ReadContext } from '../projection.ts';

/** How an author's entries reach followers: written to their feeds, pulled by readers (celebrities), or not at all. */
export type Reach = 'pushed' | 'pulled' | 'gone';

/** An entry as it stands now. `score` is undefined when it never showed, or is deleted. */
export type EntryNow = {
  readonly id: string;
  readonly author: string;
  readonly reach: Reach;
  readonly shown: boolean;
  readonly closeOnly: boolean;
  readonly score: number | undefined;
};

const reachOf = (author: string) =>
  `case when ${author}.status <> 'active' then 'gone' when ${author}.is_celebrity then 'pulled' else 'pushed' end`;
const closeOnlyOf = (kind: EntryKind) => (kind.audiences ? `(e.audience = 'close_friends')` : 'false');

/**
 * Entries by id; those of which the model knows nothing are missing. Each is looked up by its key, and its author among
 * the few whose entries may not be pushed: for some thousand entries a planner left to itself would read all accounts
 * there are. One whose registration the accounts have not taken in (it was put aside) counts as pushed. The entries
 * come as one text, which costs server and driver a third of what a row for each does.
 */
export async function entriesNow(
  { sql, builds }: ReadContext,
  kind: EntryKind,
  ids: readonly string[],
): Promise<EntryNow[]> {
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
      id: words[at] ?? '',
      author: words[at + 1] ?? '',
      reach: reach === 'gone' || reach === 'pulled' ? reach : 'pushed',
      shown: words[at + 3] === 'published',
      closeOnly: words[at + 4] === 'close',
      score: score === '-' ? undefined : Number(score),
    });
  }
  return entries;
}

/** Those of some accounts who are or ever were celebrities. */
export async function everPulled({ sql, builds }: ReadContext, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const { rows } = await sql.query<{ id: string }>(
    `select account_id as id from ${builds.schema('accounts')}.account where account_id = any(${idsIn(1)}) and was_celebrity`,
    [idList(ids)],
  );
  return new Set(rows.map(({ id }) => id));
}

/** An author's entries: those that show, newest first, and the ids of all that may have been in feeds. */
export type AuthorNow = {
  readonly reach: Reach;
  readonly shown: readonly (Entry & { readonly closeOnly: boolean })[];
  readonly hidden: readonly string[];
};

/**
 * What some authors have that feeds may hold. `hidden` are recent entries that do not show: the models may be ahead of
 * the lane, so that an entry which is still in a feed is deleted already. An entry shows at most one window after it
 * was made.
 */
export async function authorsNow(
  { sql, builds }: ReadContext,
  kind: EntryKind,
  authors: readonly string[],
  now: Date,
): Promise<Map<string, AuthorNow>> {
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
