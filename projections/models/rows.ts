import type { Sql } from '../../infra/postgres.ts';

type Value = string | number | boolean | Date | null | readonly unknown[] | { readonly [field: string]: unknown };
export type Row = { readonly [column: string]: Value };

/** A table of a build (`table` with its quoted schema) and the columns of its primary key. */
export type KeyedTable = { readonly table: string; readonly key: readonly string[] };

/** Writes whole rows in one statement: new ones are inserted, others replaced. Each key at most once in `rows`. */
export async function upsertRows(tx: Sql, { table, key }: KeyedTable, rows: readonly Row[]): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  const columns = Object.keys(first);
  const others = columns.filter((column) => !key.includes(column));
  const action =
    others.length === 0
      ? 'nothing'
      : `update set ${others.map((column) => `${column} = excluded.${column}`).join(', ')}`;
  await tx.query(
    `insert into ${table} (${columns.join(', ')})
     select ${columns.join(', ')} from json_populate_recordset(null::${table}, $1::json)
     on conflict (${key.join(', ')}) do ${action}`,
    [JSON.stringify(rows)],
  );
}

/** Writes some columns of rows that are there. Each key at most once in `rows`, whose other columns do not matter. */
export async function updateRows(
  tx: Sql,
  { table, key }: KeyedTable,
  columns: readonly string[],
  rows: readonly Row[],
): Promise<void> {
  if (rows.length === 0) return;
  const written = [...key, ...columns];
  await tx.query(
    `update ${table} t set ${columns.map((column) => `${column} = r.${column}`).join(', ')}
     from json_populate_recordset(null::${table}, $1::json) r where ${key.map((column) => `t.${column} = r.${column}`).join(' and ')}`,
    [JSON.stringify(rows.map((row) => Object.fromEntries(written.map((column) => [column, row[column]]))))],
  );
}

/** A table of counts: `key` and `count` are its only columns. A key without a row counts 0. */
export type CountTable = { readonly table: string; readonly key: string; readonly count: string };

/**
 * DDL for a table of counts. Counts change all the time: room is left on each page, so that the next version of a row
 * stays where the index finds it.
 */
export function countTable({ table, key, count }: CountTable): string {
  return `create table ${table} (${key} text collate "C" primary key, ${count} bigint not null) with (fillfactor = 80);`;
}

/**
 * Adds to counts in the batch's transaction. Rows that reach 0 go, so that a count that was never raised and one that
 * came back to 0 look the same whatever the batches were.
 */
export async function addToCounts(
  tx: Sql,
  { table, key, count }: CountTable,
  deltas: ReadonlyMap<string, number>,
): Promise<void> {
  const changed = [...deltas].filter(([, delta]) => delta !== 0);
  if (changed.length === 0) return;
  const keys = changed.map(([of]) => of);
  await tx.query(
    `insert into ${table} as c (${key}, ${count}) select * from unnest($1::text[], $2::bigint[])
     on conflict (${key}) do update set ${count} = c.${count} + excluded.${count}`,
    [keys, changed.map(([, delta]) => delta)],
  );
  const lowered = changed.filter(([, delta]) => delta < 0).map(([of]) => of);
  if (lowered.length > 0)
    await tx.query(`delete from ${table} where ${key} = any($1::text[]) and ${count} = 0`, [lowered]);
}

/** Sums deltas by key: `[['a', 1], ['b', 1], ['a', -1]]` gives a 0 and b 1. */
export function sumByKey(changes: Iterable<readonly [key: string, delta: number]>): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [key, delta] of changes) sums.set(key, (sums.get(key) ?? 0) + delta);
  return sums;
}
