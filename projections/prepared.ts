import { createHash } from 'node:crypto';
import type { QueryResultRow } from 'pg';
import type { Sql } from '../infra/postgres.ts';

/**
 * Runs a statement that the server parses and plans once for each connection; for hot reads of many tables, whose
 * planning takes longer than their work. The name follows the text, so another build's statement is another one.
 */
export async function queryPrepared<R extends QueryResultRow>(sql: Sql, label: string, text: string, values: readonly unknown[]): Promise<R[]> {
  const name = `${label}_${createHash('md5').update(text).digest('hex')}`;
  const { rows } = await sql.query<R>({ name, text, values: [...values] });
  return rows;
}
