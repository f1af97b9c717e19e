import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Changes } from '../../infra/process/invalidation-source.ts';
import { inTransaction, openPool, type Pool } from '../../infra/postgres.ts';
import { createTestDatabase, type TestDatabase } from '../../testing/postgres.ts';
import { eventually } from '../../testing/projector-world.ts';
import { CHANGES_CHANNEL } from './invalidation.ts';
import { ChangesListener } from './invalidation-listener.ts';

let database: TestDatabase;
let pool: Pool;
let listener: ChangesListener;
const heard: Changes[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  pool = openPool(database.url, { size: 2, name: 'test' });
  listener = new ChangesListener(database.url);
  listener.onChanges((changes) => {
    heard.push(changes);
  });
  listener.start();
  await eventually('it listens', () => listener.complete);
});
afterAll(async () => {
  await listener.close();
  await pool.end();
  await database.drop();
});

const announce = (ids: string[]) => pool.query('select pg_notify($1, $2)', [CHANGES_CHANNEL, JSON.stringify(ids)]);
const hasHeard = (id: string) => heard.some((changes) => changes !== 'all' && changes.includes(id));

describe('a listener to changes', () => {
  it('hears what is committed, and nothing of what is rolled back', async () => {
    await inTransaction(pool, async (tx) => {
      await tx.query('select pg_notify($1, $2)', [CHANGES_CHANNEL, '["undone"]']);
      throw new Error('rolled back');
    }).catch(() => undefined);
    await announce(['done']);
    await eventually('it hears', () => hasHeard('done'));
    expect(hasHeard('undone')).toBe(false);
  });

  it('knows when it may have missed something, says so, and listens again', async () => {
    heard.length = 0;
    await pool.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'shutterlog-changes' and datname = current_database()",
    );
    await eventually('it knows', () => heard.includes('all'));
    await eventually('it listens again', () => listener.complete);
    // Once for what it may have missed from the cut on, once for what came until it listened again.
    expect(heard.filter((changes) => changes === 'all').length).toBeGreaterThanOrEqual(2);
    await announce(['after']);
    await eventually('it hears again', () => hasHeard('after'));
  });

  it('is not complete any more once it is closed, and closes before it ever connected', async () => {
    const closed = new ChangesListener(database.url);
    closed.start();
    await eventually('it listens', () => closed.complete);
    await closed.close();
    expect(closed.complete).toBe(false);
    const early = new ChangesListener('postgres://127.0.0.1:1/nothing');
    early.start();
    await early.close();
    expect(early.complete).toBe(false);
  });
});
