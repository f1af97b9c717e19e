import pg from 'pg';

/** What a query needs: a pool, or one client inside a transaction. */
export type Sql = Pick<pg.ClientBase, 'query'> | Pick<pg.Pool, 'query'>;
export type Pool = pg.Pool;
export type Transaction = pg.PoolClient;

/** SQLSTATE codes that the program acts on. */
export const SQLSTATE = {
  uniqueViolation: '23505',
  lockNotAvailable: '55P03',
  undefinedTable: '42P01',
  serializationFailure: '40001',
  deadlock: '40P01',
} as const;

/**
 * A bounded pool. With `synchronousCommit: false` a commit does not wait for the disk: a crash of the server may take
 * back the last moments, each transaction whole; only for what can be done again from where it stood. Statements end
 * after `statementTimeoutMs`; waiting for a connection ends after 5 s. bigint columns arrive as strings (the driver's
 * default): convert where a number is known to be small.
 */
export function openPool(
  url: string,
  options: { size: number; name: string; statementTimeoutMs?: number; synchronousCommit?: boolean },
): Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.size,
    application_name: options.name,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    ...(options.synchronousCommit === false ? { options: '-c synchronous_commit=off' } : {}),
  });
  // A broken idle connection is reported here; the pool drops it and the next query opens another, so nothing is left
  // to do.
  pool.on('error', () => undefined);
  // While a connection is lent and between two statements nobody listens to it: its end would end the process. The next
  // statement on it fails.
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
  });
  return pool;
}

/**
 * Runs `work` in one transaction: commits when it resolves, rolls back when it throws, and gives the connection back.
 */
export async function inTransaction<T>(pool: Pool, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // Between two statements a lost connection is nobody's answer; unheard it would end the process.
  const lose = (error: Error) => {
    broken = error;
  };
  client.on('error', lose);
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((failure: Error) => {
      broken ??= failure;
    });
    throw error;
  } finally {
    client.off('error', lose);
    client.release(broken);
  }
}

/** The SQLSTATE of a database error, or undefined when it is something else. */
export function sqlStateOf(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}
