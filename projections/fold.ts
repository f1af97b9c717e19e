import type { Sql } from '../infra/postgres.ts';
import type { Row } from './rows.ts';

/** One row before and after a batch; `before` is undefined for a row that the batch begins. */
export type Folded<R> = { readonly before: R | undefined; readonly after: R };

export type Folding<R, E> = {
  readonly table: string;
  /** The single key column, and the row that an event speaks about. */
  readonly key: keyof R & string;
  readonly keyOf: (event: E) => string;
  /** The row after the event: the same object when nothing changes, undefined while there is no row. */
  readonly step: (row: R | undefined, event: E) => R | undefined;
};

/**
 * Loads the rows that a batch speaks about with one query and folds the events into them in log order. Answers only rows
 * that changed and writes nothing. Safe because a build has one writer at a time, inside the batch's transaction.
 */
export async function foldRows<R extends Row, E>(tx: Sql, { table, key, keyOf, step }: Folding<R, E>, events: readonly E[]): Promise<Folded<R>[]> {
  const keys = [...new Set(events.map(keyOf))];
  if (keys.length === 0) return [];
  const { rows } = await tx.query<R>(`select * from ${table} where ${key} = any($1::text[])`, [keys]);
  const before = new Map(rows.map((row) => [String(row[key]), row]));
  const after = new Map(before);
  for (const event of events) {
    const row = step(after.get(keyOf(event)), event);
    if (row !== undefined) after.set(keyOf(event), row);
  }
  return [...after].filter(([of, row]) => row !== before.get(of)).map(([of, row]) => ({ before: before.get(of), after: row }));
}
