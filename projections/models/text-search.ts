/** How text is compared in searches: lower case, accents and widths folded, blanks collapsed. */
export function searchable(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(/\s+/g, ' ').trim();
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
