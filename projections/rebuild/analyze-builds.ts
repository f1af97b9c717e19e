import type { Pool } from '../../infra/postgres.ts';
import type { Build } from '../builds/build-store.ts';

/**
 * Has PostgreSQL take statistics of what some builds hold, so that it plans the first reads after a switch as well as
 * later ones: by itself it would do so only a minute or more after the rows came. It reads a sample of each table, and
 * keeps neither readers nor writers waiting.
 */
export async function analyzeBuilds(pool: Pool, builds: readonly Pick<Build, 'location'>[]): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = any($1::text[]) order by 1`,
    [builds.map(({ location }) => location)],
  );
  for (const { name } of rows) await pool.query(`analyze ${name}`);
}
