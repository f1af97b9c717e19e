import anyAscii from 'any-ascii';

/** Written in one language, left out in another, and typed in many ways: apostrophes and middle dots. */
const PASSED_OVER = /[\p{M}\p{Default_Ignorable_Code_Point}'`‘’‛ʹʻʼʽʾʿˈ′＇·‧・]/gu;
/** What decomposes into a blank and a mark, and is typed for an apostrophe. */
const SPACING_ACCENT = /[\u00b4\u1fbd\u1fbf\u1ffd]/g;
const LATIN = /[^\P{Script=Latin}a-z]/gu;
/** More of a text is not searched: an index takes no longer keys. */
const SEARCHED_CODE_POINTS = 300;

/**
 * How text is compared in searches: lower case, accents, widths, apostrophes and blanks folded, and Latin letters that
 * have no accent to lose (ł, ø, ß, æ, ı) as the basic ones that stand for them. What is stored and what is asked pass it
 * alike. A change of what it gives is a change of every model that stores its texts: raise their versions.
 */
export function searchable(text: string): string {
  const basic = text
    .replace(SPACING_ACCENT, '')
    .normalize('NFKD')
    .toLowerCase()
    .replace(LATIN, (letter) => anyAscii(letter).toLowerCase());
  const folded = basic.replace(PASSED_OVER, '').replace(/\s+/g, ' ').trim();
  return folded.length <= SEARCHED_CODE_POINTS ? folded : [...folded].slice(0, SEARCHED_CODE_POINTS).join('').trimEnd();
}

/** A LIKE pattern that finds `text` anywhere, with its own wildcards taken literally. */
export function containing(text: string): string {
  return `%${startingWith(text)}`;
}

/** A LIKE pattern that finds what begins with `text`. */
export function startingWith(text: string): string {
  return `${text.replace(/[\\%_]/g, '\\$&')}%`;
}

/**
 * DDL for an index that serves LIKE on a column: trigrams where the server has pg_trgm, else one for prefixes alone
 * (the same queries then still answer, slower for text in the middle).
 */
export function trigramIndex(table: string, column: string): string {
  return `
    do $$ begin
      begin
        create extension if not exists pg_trgm with schema public;
      exception when others then null; -- not shipped, not allowed, or another process just made it
      end;
      if exists (select from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm' and n.nspname = 'public') then
        create index on ${table} using gin (${column} public.gin_trgm_ops) where ${column} is not null;
      else
        create index on ${table} (${column} text_pattern_ops) where ${column} is not null;
      end if;
    end $$;`;
}
