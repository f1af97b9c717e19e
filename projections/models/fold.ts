import type { Sql } from '../../infra/postgres.ts';
import { idList, idsIn } from './id-list.ts';
import { updateRows, upsertRows, type KeyedTable, type Row } from './rows.ts';

/** One row before and after a batch; `before` is undefined for a row that the batch begins. */
export type Folded<R> = { readonly before: R | undefined; readonly after: R };

export type Folding<R, E> = {
  readonly table: string;
  /** The single key column, and the row that an event speaks about. */
  readonly key: keyof R & string;
  readonly keyOf: (event: E) => string;
  /** The columns that `step`, and the caller in what it gets back, look at, the key among them; all by default. */
  readonly columns?: readonly (keyof R & string)[];
  /** The row after the event: the same object when nothing changes, undefined while there is no row. */
  readonly step: (row: R | undefined, event: E) => R | undefined;
};

/**
 * Loads the rows that a batch speaks about with one query and folds the events into them in log order. Answers only
 * rows that changed and writes nothing. Safe because a build has one writer at a time, inside the batch's transaction.
 */
export async function foldRows<R extends Row, E>(
  tx: Sql,
  { table, key, keyOf, columns, step }: Folding<R, E>,
  events: readonly E[],
): Promise<Folded<R>[]> {
  const keys = [...new Set(events.map(keyOf))];
  if (keys.length === 0) return [];
  // One look by key for each, whatever the planner believes of a table whose statistics are young.
  const { rows } = await tx.query<R>(
    `select found.* from unnest(${idsIn(1)}) as wanted (id) cross join lateral (select ${columns?.join(', ') ?? '*'} from ${table} t where t.${key} = wanted.id limit 1) found`,
    [idList(keys)],
  );
  const before = new Map(rows.map((row) => [String(row[key]), row]));
  const after = new Map(before);
  for (const event of events) {
    const row = step(after.get(keyOf(event)), event);
    if (row !== undefined) after.set(keyOf(event), row);
  }
  return [...after]
    .filter(([of, row]) => row !== before.get(of))
    .map(([of, row]) => ({ before: before.get(of), after: row }));
}

/** Writes what a batch changed: new rows whole, of others the columns alone that are no longer the same. */
export async function writeFolded<R extends Row>(
  tx: Sql,
  into: KeyedTable,
  folded: readonly Folded<R>[],
): Promise<void> {
  await upsertRows(
    tx,
    into,
    folded.filter(({ before }) => before === undefined).map(({ after }) => after),
  );
  const changed = Map.groupBy(
    folded.filter(({ before }) => before !== undefined),
    (row) => changedColumns(row).join(' '),
  );
  for (const [columns, rows] of changed) {
    if (columns !== '')
      await updateRows(
        tx,
        into,
        columns.split(' '),
        rows.map(({ after }) => after),
      );
  }
}

function changedColumns<R extends Row>({ before, after }: Folded<R>): string[] {
  return Object.keys(after).filter((column) => before?.[column] !== after[column]);
}
