import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/postgres.ts';
import { eventually } from '../testing/projector-world.ts';
import { inTransaction, openPool, type Pool } from './postgres.ts';

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = openPool(database.url, { size: 2, name: 'transactions' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

it('survives the loss of a connection between two statements of a transaction, which rejects', async () => {
  let lost = false;
  const outcome = inTransaction(pool, async (tx) => {
    tx.once('end', () => {
      lost = true;
    });
    const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
    await pool.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
    await eventually('the connection is gone', () => lost);
    await tx.query('select 1');
  });
  await expect(outcome).rejects.toThrow();
  expect((await inTransaction(pool, (tx) => tx.query('select 1 as one'))).rows).toEqual([{ one: 1 }]);
});
