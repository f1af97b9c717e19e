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

/** The settings that say how PostgreSQL is reached. */
export type DatabaseSettings = {
  readonly DATABASE_URL: string;
  readonly DATABASE_LISTEN_URL?: string | undefined;
  readonly DATABASE_PREPARED?: 'auto' | 'on' | 'off';
};

/**
 * The address for what needs a session of its own: LISTEN, and locks that are held from one transaction to the next. A
 * pooler in transaction mode gives each transaction another session.
 */
export function sessionUrlOf({ DATABASE_URL, DATABASE_LISTEN_URL }: DatabaseSettings): string {
  return DATABASE_LISTEN_URL ?? DATABASE_URL;
}

/** What a pool must know of the way to its server; part of the options of `openPool`. */
export type Way = {
  /** A pooler in transaction mode stands in between, so that nothing may be set or kept for a session. */
  readonly pooled?: boolean;
  /** Whether the server keeps the plans of named statements. Default: unless the way is pooled. */
  readonly prepares?: boolean;
};

/** The way that addresses of DATABASE_URL and DATABASE_READ_URL lead. */
export function wayOf({ DATABASE_LISTEN_URL, DATABASE_PREPARED = 'auto' }: DatabaseSettings): Way {
  const pooled = DATABASE_LISTEN_URL !== undefined;
  return { pooled, prepares: DATABASE_PREPARED === 'auto' ? !pooled : DATABASE_PREPARED === 'on' };
}

type PoolOptions = Way & {
  readonly size: number;
  readonly name: string;
  readonly statementTimeoutMs?: number;
  readonly synchronousCommit?: boolean;
};

const STATEMENT_TIMEOUT_MS = 30_000;
/** Later than the server's own limit, which tells more and leaves the connection whole. */
const UNANSWERED_AFTER_MS = 5_000;

/** How transactions of a pool begin, where that is more than `begin`. */
const beginnings = new WeakMap<Pool, string>();
/** Marks pools that know no named statements, and their clients; what stands in for one of them shows it too. */
const WITHOUT_NAMES = Symbol('statements have no names');

type Limits = { readonly statementTimeoutMs: number; readonly synchronousCommit: boolean };

function beginningOf({ statementTimeoutMs, synchronousCommit }: Limits): string {
  const limited = `begin; set local statement_timeout = ${String(statementTimeoutMs)}`;
  return synchronousCommit ? limited : `${limited}; set local synchronous_commit = off`;
}

function withoutNames(pool: Pool): void {
  Reflect.set(pool, WITHOUT_NAMES, true);
  pool.on('connect', (client) => {
    Reflect.set(client, WITHOUT_NAMES, true);
  });
}

/**
 * A bounded pool. With `synchronousCommit: false` a commit does not wait for the disk: a crash of the server may take
 * back the last moments, each transaction whole; only for what can be done again from where it stood. Statements end
 * after
 * `statementTimeoutMs`; waiting for a connection ends after 5 s. Where the way is pooled, both hold in transactions
 * alone: a statement outside of one waits for the disk, and after its time nobody waits for it, though the server may
 * work on. bigint columns arrive as strings (the driver's default): convert where a number is known to be small.
 */
export function openPool(url: string, options: PoolOptions): Pool {
  const {
    size,
    name,
    pooled = false,
    prepares = !pooled,
    statementTimeoutMs = STATEMENT_TIMEOUT_MS,
    synchronousCommit = true,
  } = options;
  const sessionSettings = {
    statement_timeout: statementTimeoutMs,
    ...(!synchronousCommit && { options: '-c synchronous_commit=off' }),
  };
  const pool = new pg.Pool({
    connectionString: url,
    max: size,
    application_name: name,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    ...(pooled ? { query_timeout: statementTimeoutMs + UNANSWERED_AFTER_MS } : sessionSettings),
  });
  if (pooled) beginnings.set(pool, beginningOf({ statementTimeoutMs, synchronousCommit }));
  if (!prepares) withoutNames(pool);
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

/** A statement with the name under which a server keeps its plan. */
export type Statement = { readonly name: string; readonly text: string };

/**
 * Runs a statement that is prepared once for each connection; where the pool knows no named statements, as any other.
 * It is the only way to name one: through a pooler another session would not know the name.
 */
export async function queryPrepared<R extends pg.QueryResultRow>(
  sql: Sql,
  { name, text }: Statement,
  values: readonly unknown[],
): Promise<R[]> {
  const named = Reflect.get(sql, WITHOUT_NAMES) !== true;
  const { rows } = await sql.query<R>({ ...(named && { name }), text, values: [...values] });
  return rows;
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
    await client.query(beginnings.get(pool) ?? 'begin');
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
