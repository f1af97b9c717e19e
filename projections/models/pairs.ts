import type { Sql } from '../../infra/postgres.ts';
import { addToCounts, sumByKey, type CountTable } from './rows.ts';

/**
 * A table of pairs that hold since a time: likes, saves, blocks. `columns` are both keys and the time, in this order.
 */
export type PairTable = {
  readonly table: string;
  readonly columns: readonly [left: string, right: string, since: string];
  /** Where `applyPairFacts` counts the pairs by their left side; absent when nobody needs to know. */
  readonly counts?: CountTable;
};

/**
 * What one event says: a pair holds since a time, or (null) no longer; or all pairs with an id in a column are gone.
 */
export type PairFact = PairChange | { readonly gone: string; readonly column: string };
export type PairChange = Pair & { readonly since: Date | null };
export type Pair = { readonly left: string; readonly right: string };

/** The pairs whose state really changed; counters follow these. */
export type PairsChanged = { readonly added: readonly Pair[]; readonly removed: readonly Pair[] };

/**
 * Applies facts in log order, set-based: the last word on each pair counts, a pair that is gone later in the batch
 * never shows, and counts follow real changes. A few statements, however changes and removals are mixed.
 */
export async function applyPairFacts(tx: Sql, table: PairTable, facts: readonly PairFact[]): Promise<void> {
  const removed: Pair[] = [];
  const removals = Map.groupBy(
    facts.filter((fact) => 'gone' in fact),
    ({ column }) => column,
  );
  for (const [column, gone] of removals)
    removed.push(
      ...(await removePairs(
        tx,
        table,
        column,
        gone.map((fact) => fact.gone),
      )),
    );
  const changed = await changePairs(tx, table, lastWords(table, facts));
  if (table.counts === undefined) return;
  await addToCounts(
    tx,
    table.counts,
    sumByKey([
      ...changed.added.map(({ left }) => [left, 1] as const),
      ...[...removed, ...changed.removed].map(({ left }) => [left, -1] as const),
    ]),
  );
}

// Changes of pairs that are not gone after them; what is gone is left to the removals, which come first.
function lastWords({ columns: [left, right] }: PairTable, facts: readonly PairFact[]): PairChange[] {
  const goneAt = new Map<string, number>();
  for (const [at, fact] of facts.entries()) if ('gone' in fact) goneAt.set(`${fact.column} ${fact.gone}`, at);
  const isGoneAfter = (at: number, column: string, id: string) => (goneAt.get(`${column} ${id}`) ?? -1) > at;
  return facts.flatMap((fact, at) =>
    'gone' in fact || isGoneAfter(at, left, fact.left) || isGoneAfter(at, right, fact.right) ? [] : [fact],
  );
}

/** Sets pairs on and off, set-based: the last word on each pair counts. Leaves the table's counts to the caller. */
export async function changePairs(tx: Sql, table: PairTable, changes: readonly PairChange[]): Promise<PairsChanged> {
  const last = [...new Map(changes.map((change) => [`${change.left} ${change.right}`, change])).values()];
  const added = await add(
    tx,
    table,
    last.filter((change) => change.since !== null),
  );
  const removed = await remove(
    tx,
    table,
    last.filter((change) => change.since === null),
  );
  return { added, removed };
}

/** The pairs that did not hold before. */
async function add(
  tx: Sql,
  { table, columns: [left, right, since] }: PairTable,
  changes: readonly PairChange[],
): Promise<Pair[]> {
  if (changes.length === 0) return [];
  // A row that an insert created has no xmax; one that the conflict clause updated has, and does not count again.
  const { rows } = await tx.query<Pair & { created: boolean }>(
    `insert into ${table} (${left}, ${right}, ${since})
     select * from unnest($1::text[], $2::text[], $3::timestamptz[])
     on conflict (${left}, ${right}) do update set ${since} = excluded.${since}
     returning ${left} as left, ${right} as right, xmax = 0 as created`,
    [
      changes.map((change) => change.left),
      changes.map((change) => change.right),
      changes.map((change) => change.since),
    ],
  );
  return rows.filter((row) => row.created);
}

async function remove(
  tx: Sql,
  { table, columns: [left, right] }: PairTable,
  changes: readonly PairChange[],
): Promise<Pair[]> {
  if (changes.length === 0) return [];
  const { rows } = await tx.query<Pair>(
    `delete from ${table} t using unnest($1::text[], $2::text[]) as gone(l, r)
     where t.${left} = gone.l and t.${right} = gone.r
     returning t.${left} as left, t.${right} as right`,
    [changes.map((change) => change.left), changes.map((change) => change.right)],
  );
  return rows;
}

/**
 * Removes every pair with one of `ids` in `column`, and says which they were. Leaves the table's counts to the caller.
 */
export async function removePairs(
  tx: Sql,
  { table, columns: [left, right] }: PairTable,
  column: string,
  ids: readonly string[],
): Promise<Pair[]> {
  const { rows } = await tx.query<Pair>(
    `delete from ${table} where ${column} = any($1::text[]) returning ${left} as left, ${right} as right`,
    [ids],
  );
  return rows;
}
