import { randomBytes } from 'node:crypto';
import pg from 'pg';

export type TestDatabase = {
  /** A `postgres://` address of an empty database that nobody else uses. */
  url: string;
  /** Ends every connection to the database and removes it; harmless when called twice. */
  drop: () => Promise<void>;
};

/**
 * Creates an empty database on the server named by TEST_DATABASE_URL (set by `npm test`).
 * Rejects with what to do when the variable is missing or the server does not answer.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = serverUrl();
  const name = `test_${Date.now().toString(36)}_${randomBytes(6).toString('hex')}`;
  await onServer(server, `CREATE DATABASE ${name} TEMPLATE template0`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => onServer(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

function serverUrl(): string {
  const url = process.env['TEST_DATABASE_URL'];
  if (!url)
    throw new Error(
      'TEST_DATABASE_URL is not set: run the tests with `npm test [-- file]`, or name a PostgreSQL server there',
    );
  return url;
}

async function onServer(connectionString: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 20_000 });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
