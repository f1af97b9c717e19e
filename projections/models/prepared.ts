import { hash } from 'node:crypto';
import type { QueryResultRow } from 'pg';
import type { Sql } from '../../infra/postgres.ts';
import type { Builds } from '../projection.ts';

/** A statement with the name under which a server keeps its plan. */
export type Statement = { readonly name: string; readonly text: string };

/**
 * A statement that the server parses and plans once for each connection; for hot reads of many tables, whose planning
 * takes longer than their work. The name follows the text, so another build's statement is another one.
 */
export function statementFor(label: string, textOf: (builds: Builds) => string): (builds: Builds) => Statement {
  const made = new WeakMap<Builds, Statement>();
  return (builds) => {
    const known = made.get(builds);
    if (known !== undefined) return known;
    const text = textOf(builds);
    const statement = { name: `${label}_${hash('md5', text)}`, text };
    made.set(builds, statement);
    return statement;
  };
}

/** Runs a prepared statement. */
export async function queryPrepared<R extends QueryResultRow>(
  sql: Sql,
  { name, text }: Statement,
  values: readonly unknown[],
): Promise<R[]> {
  const { rows } = await sql.query<R>({ name, text, values: [...values] });
  return rows;
}
