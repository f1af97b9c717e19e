import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../infra/local/processes/ports.ts';
import { openPool, type Pool } from '../../infra/postgres.ts';
import { createTestDatabase, type TestDatabase } from '../../testing/postgres.ts';
import { Leases } from './leases.ts';

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = openPool(database.url, { size: 2, name: 'leases-test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

it('a connection that cannot be made fails whoever asks for it, and is not told of as lost', async () => {
  let lost = 0;
  await expect(
    Leases.open(`postgres://nobody@127.0.0.1:${String(await freePort())}/nothing`, {
      onLost: () => {
        lost += 1;
      },
    }),
  ).rejects.toThrow();
  await delay(0);
  expect(lost).toBe(0);
});

it('a connection that stood is told of once when it ends, and its leases are free for others', async () => {
  const lost = Promise.withResolvers<undefined>();
  let times = 0;
  const [one, other] = [
    await Leases.open(database.url, {
      onLost: () => {
        times += 1;
        lost.resolve(undefined);
      },
    }),
    await Leases.open(database.url),
  ];
  try {
    expect([await one.take(7), await other.take(7)]).toEqual([true, false]);
    await pool.query(
      `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = 7 and granted and database = (select oid from pg_database where datname = current_database())`,
    );
    await lost.promise;
    expect([one.lost, one.holds(7), await one.stand(), await other.take(7)]).toEqual([true, false, false, true]);
    expect(times).toBe(1);
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
});
