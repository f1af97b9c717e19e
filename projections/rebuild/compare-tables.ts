import { inTransaction, type Pool, type Sql, type Transaction } from '../../infra/postgres.ts';
import type { VerifiedTable } from '../projection.ts';

/** A row that is not what it should be; null where a side has no such row. Values are as JSON shows them. */
export type RowDifference = {
  readonly table: string;
  readonly key: Readonly<Record<string, unknown>>;
  readonly live: Readonly<Record<string, unknown>> | null;
  readonly expected: Readonly<Record<string, unknown>> | null;
};

/** One side of a comparison: where to read, and the quoted schema there. */
export type Side = { readonly sql: Sql; readonly schema: string };

/** Ranges of the hashes of keys: small enough to list one that differs, many enough that most stay equal. */
const RANGES = 1_024;

type Digest = { readonly range: number; readonly rows: string; readonly digest: string };

/**
 * Compares a table of two builds: first a digest for each range of keys, computed where the rows are, then row by row
 * what differs. `ranges` limits the comparison to a share of the keys.
 */
export async function* compareTable(
  live: Side,
  expected: Side,
  table: VerifiedTable,
  options: { ranges?: readonly number[] | undefined; compared: (keys: number) => void },
): AsyncGenerator<RowDifference> {
  const [ours, theirs] = await Promise.all([
    digestsOf(live, table, options.ranges),
    digestsOf(expected, table, options.ranges),
  ]);
  options.compared([...theirs.values()].reduce((sum, { rows }) => sum + Number(rows), 0));
  const differing = [...new Set([...ours.keys(), ...theirs.keys()])].filter(
    (range) =>
      ours.get(range)?.digest !== theirs.get(range)?.digest || ours.get(range)?.rows !== theirs.get(range)?.rows,
  );
  for (const range of differing.sort((a, b) => a - b)) {
    const [one, two] = await Promise.all([rowsOf(live, table, range), rowsOf(expected, table, range)]);
    yield* differencesBetween(table, one, two);
  }
}

/** Ranges that hold about `keys` of a table's keys, chosen at random; all of them when it has no more than that. */
export async function sampleRanges(
  { sql, schema }: Side,
  { table }: VerifiedTable,
  keys: number,
): Promise<number[] | undefined> {
  const { rows } = await sql.query<{ keys: string }>(`select count(*) as keys from ${schema}.${table}`);
  const total = Number(rows[0]?.keys ?? 0);
  if (total <= keys) return undefined;
  const wanted = Math.max(1, Math.ceil((keys / total) * RANGES));
  const ranges = Array.from({ length: RANGES }, (_, range) => range);
  for (let i = 0; i < wanted; i += 1) {
    const j = i + Math.floor(Math.random() * (RANGES - i));
    [ranges[i], ranges[j]] = [ranges[j] ?? i, ranges[i] ?? j];
  }
  return ranges.slice(0, wanted);
}

/** Runs `work` in one read-only snapshot of the database; nothing that is committed meanwhile shows. */
export async function inSnapshot<T>(pool: Pool, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return inTransaction(pool, async (tx) => {
    await tx.query('set transaction isolation level repeatable read, read only');
    return work(tx);
  });
}

const rangeOf = (key: readonly string[]) =>
  `(hashtextextended(row(${key.join(', ')})::text, 0) & ${String(RANGES - 1)})::int`;

async function digestsOf(
  { sql, schema }: Side,
  { table, key, columns }: VerifiedTable,
  ranges: readonly number[] | undefined,
): Promise<Map<number, Digest>> {
  const { rows } = await sql.query<Digest>(
    `select ${rangeOf(key)} as range, count(*) as rows, bit_xor(hashtextextended(row(${[...key, ...columns].join(', ')})::text, 1)) as digest
     from ${schema}.${table} where $1::int[] is null or ${rangeOf(key)} = any($1::int[]) group by 1`,
    [ranges ?? null],
  );
  return new Map(rows.map((row) => [row.range, row]));
}

type KeyedRow = {
  readonly id: string;
  readonly key: Record<string, unknown>;
  readonly value: Record<string, unknown>;
  readonly text: string;
};

async function rowsOf(
  { sql, schema }: Side,
  { table, key, columns }: VerifiedTable,
  range: number,
): Promise<Map<string, KeyedRow>> {
  const object = (names: readonly string[]) =>
    names.length === 0 ? `'{}'::jsonb` : `jsonb_build_object(${names.map((name) => `'${name}', ${name}`).join(', ')})`;
  const { rows } = await sql.query<KeyedRow>(
    `select row(${key.join(', ')})::text as id, ${object(key)} as key, ${object(columns)} as value, row(${[...key, ...columns].join(', ')})::text as text
     from ${schema}.${table} where ${rangeOf(key)} = $1`,
    [range],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

function differencesBetween(
  { table }: VerifiedTable,
  live: ReadonlyMap<string, KeyedRow>,
  expected: ReadonlyMap<string, KeyedRow>,
): RowDifference[] {
  const ids = [...new Set([...live.keys(), ...expected.keys()])].sort();
  return ids
    .filter((id) => live.get(id)?.text !== expected.get(id)?.text)
    .map((id) => {
      const [one, two] = [live.get(id), expected.get(id)];
      return { table, key: (one ?? two)?.key ?? {}, live: one?.value ?? null, expected: two?.value ?? null };
    });
}
