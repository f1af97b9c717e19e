import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Position, START_OF_LOG } from '../../domain/position.ts';
import type { AccountId } from '../../domain/ids.ts';
import { newId } from '../../infra/ids.ts';
import { openPool, type Pool } from '../../infra/postgres.ts';
import { createTestDatabase, type TestDatabase } from '../../testing/postgres.ts';
import { createBuild, type Build } from './build-store.ts';
import { moveCheckpoints } from './checkpoints.ts';
import { follows } from '../models/follows.ts';
import { createFreshness, createPoolFreshness } from './consistency.ts';
import { laneOf } from '../lane-keys.ts';
import { createLanes } from '../lanes/lane-positions.ts';
import type { Builds } from '../projection.ts';
import { prepareProjectionTables } from './schema.ts';

const STORE = '11111111-1111-4111-8111-111111111111';
const at = (n: number) => Position.parse(n.toString(16).padStart(32, '0'));
const token = (n: number, owners: AccountId[] = []) => ({ storeId: STORE, position: at(n), owners });

let database: TestDatabase;
let pool: Pool;
let model: Build;
let laned: Build;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = openPool(database.url, { size: 4, name: 'freshness' });
  await prepareProjectionTables(pool);
  model = await createBuild(pool, { projection: follows, storeId: STORE, state: 'building' });
  laned = await createBuild(pool, {
    projection: { store: 'redis', name: 'home-feed', version: 1 },
    storeId: STORE,
    state: 'building',
  });
  await createLanes(pool, laned, START_OF_LOG);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const builds: Builds = {
  schema: () => '',
  prefix: () => '',
  id: (name) => (name === 'home-feed' ? laned.id : model.id),
};
let place = START_OF_LOG;
async function move(n: number): Promise<void> {
  await moveCheckpoints(pool, [{ buildId: model.id, storeId: STORE, from: place, to: at(n), events: 1 }]);
  place = at(n);
}
/** Counts the queries that freshness sends. */
function counting(): { sql: Pick<Pool, 'query'>; sent: () => number } {
  let sent = 0;
  const query = (...args: Parameters<Pool['query']>) => {
    sent += 1;
    return (pool.query as (...given: unknown[]) => unknown)(...args);
  };
  return { sql: { query } as Pick<Pool, 'query'>, sent: () => sent };
}

describe('waiting for a client’s own writes', () => {
  it('does not wait without a token, and asks nothing', async () => {
    const { sql, sent } = counting();
    expect(await createFreshness(sql, new Set()).waitUntilPassed(builds, undefined, ['follows'])).toBe('passed');
    expect(sent()).toBe(0);
  });

  it('ends as soon as the model has passed the token', async () => {
    const freshness = createFreshness(pool, new Set());
    await move(1);
    let ended = false;
    const waiting = freshness.waitUntilPassed(builds, token(2), ['follows'], 20_000).then((outcome) => {
      ended = true;
      return outcome;
    });
    await new Promise((resolve) => {
      setTimeout(resolve, 40);
    });
    expect(ended).toBe(false);
    await move(2);
    expect(await waiting).toBe('passed');
  });

  it('gives up after the limit and says so', async () => {
    expect(await createFreshness(pool, new Set()).waitUntilPassed(builds, token(1_000), ['follows'], 30)).toBe(
      'behind',
    );
  });

  it('does not wait for models of another log, and does not say that they have passed anything', async () => {
    const [first, foreign] = [token(1), { ...token(1), storeId: '22222222-2222-4222-8222-222222222222' }];
    const freshness = createFreshness(pool, new Set(['home-feed']));
    for (const place of [foreign, { ...foreign, position: at(1_000) }])
      expect(await freshness.waitUntilPassed(builds, place, ['follows'], 20_000)).toBe('other_log');
    expect(await freshness.waitUntilPassed(builds, foreign, ['follows'], 20_000)).toBe('other_log');
    await pool.query('update projections.lane set store_id = $2 where build_id = $1 and lane = 7', [
      laned.id,
      foreign.storeId,
    ]);
    expect(
      await freshness.waitUntilPassed(builds, { ...token(1_000), owners: 'all' }, ['follows', 'home-feed'], 30),
    ).toBe('behind');
    await pool.query('update projections.lane set position = $2 where build_id = $1', [laned.id, first.position]);
    expect(await freshness.waitUntilPassed(builds, { ...first, owners: 'all' }, ['follows', 'home-feed'], 20_000)).toBe(
      'other_log',
    );
    await pool.query('update projections.lane set store_id = $2, position = $3 where build_id = $1', [
      laned.id,
      STORE,
      START_OF_LOG,
    ]);
  });

  it('asks once for any number of requests that wait, and not again for what it has seen', async () => {
    const { sql, sent } = counting();
    const freshness = createFreshness(sql, new Set());
    const many = Array.from({ length: 500 }, () => freshness.waitUntilPassed(builds, token(5), ['follows'], 20_000));
    await move(5);
    expect(new Set(await Promise.all(many))).toEqual(new Set(['passed']));
    const before = sent();
    expect(before).toBeLessThan(50);
    expect(await freshness.waitUntilPassed(builds, token(4), ['follows'])).toBe('passed');
    expect(sent()).toBe(before);
  });

  it('waits for a partitioned model only on the lanes of the token’s owners', async () => {
    const freshness = createFreshness(pool, new Set(['home-feed']));
    const ann = newId.account();
    const ben = Array.from({ length: 200 }, newId.account).find((id) => laneOf(id) !== laneOf(ann))!;
    await pool.query('update projections.lane set position = $2 where build_id = $1 and lane = $3', [
      laned.id,
      at(9),
      laneOf(ann),
    ]);
    expect(await freshness.waitUntilPassed(builds, token(9, [ann]), ['home-feed'], 5_000)).toBe('passed');
    expect(await freshness.waitUntilPassed(builds, token(9, [ann, ben]), ['home-feed'], 30)).toBe('behind');
    expect(await freshness.waitUntilPassed(builds, { ...token(9), owners: 'all' }, ['home-feed'], 30)).toBe('behind');
    await pool.query('update projections.lane set position = $2 where build_id = $1', [laned.id, at(9)]);
    expect(await freshness.waitUntilPassed(builds, { ...token(9), owners: 'all' }, ['home-feed'], 5_000)).toBe(
      'passed',
    );
  });

  it('is told up to where all of the models are, on every lane, and nothing while one follows another log', async () => {
    const freshness = createFreshness(pool, new Set(['home-feed']));
    await move(12);
    await pool.query(
      'update projections.lane set position = case when lane = 3 then $2 else $3 end where build_id = $1',
      [laned.id, at(10), at(11)],
    );
    expect(await freshness.reached(builds, STORE, ['follows'])).toBe(at(12));
    expect(await freshness.reached(builds, STORE, ['follows', 'home-feed'])).toBe(at(10));
    expect(await freshness.reached(builds, '22222222-2222-4222-8222-222222222222', ['follows'])).toBeUndefined();
  });

  it('remembers where it heard the models to be, without asking again', async () => {
    const { sql, sent } = counting();
    const freshness = createFreshness(sql, new Set(['home-feed']));
    expect(freshness.heard(builds, STORE, ['follows'])).toBeUndefined();
    await move(13);
    expect(await freshness.waitUntilPassed(builds, token(6), ['follows'], 5_000)).toBe('passed');
    const before = sent();
    expect(freshness.heard(builds, STORE, ['follows'])).toBe(at(13));
    expect(freshness.heard(builds, STORE, ['follows', 'home-feed'])).toBeUndefined();
    expect(freshness.heard(builds, '22222222-2222-4222-8222-222222222222', ['follows'])).toBeUndefined();
    expect(sent()).toBe(before);
  });

  it('asks again for what it had heard once that may no longer be true', async () => {
    const { sql, sent } = counting();
    const freshness = createFreshness(sql, new Set());
    expect(await freshness.waitUntilPassed(builds, token(6), ['follows'], 5_000)).toBe('passed');
    const before = sent();
    freshness.forget();
    expect(freshness.heard(builds, STORE, ['follows'])).toBeUndefined();
    expect(await freshness.waitUntilPassed(builds, token(6), ['follows'], 5_000)).toBe('passed');
    expect(sent()).toBe(before + 1);
  });

  it('does not believe an answer to what it asked before it forgot', async () => {
    let answer = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    let asked = 0;
    const query = async (...args: unknown[]) => {
      asked += 1;
      const found = await (pool.query as (...given: unknown[]) => Promise<unknown>)(...args);
      if (asked === 1) await held;
      return found;
    };
    const freshness = createFreshness({ query } as Pick<Pool, 'query'>, new Set());
    const waiting = freshness.waitUntilPassed(builds, token(6), ['follows'], 20_000);
    await expect.poll(() => asked).toBe(1);
    freshness.forget();
    answer();
    expect(await waiting).toBe('passed');
    expect(asked).toBe(2);
  });

  it('asks again once the server has ended connections, as one that crashes does', async () => {
    const own = openPool(database.url, { size: 2, name: 'freshness-ended' });
    try {
      const freshness = createPoolFreshness(own, new Set());
      expect(await freshness.waitUntilPassed(builds, token(6), ['follows'], 5_000)).toBe('passed');
      expect(freshness.heard(builds, STORE, ['follows'])).toBe(place);
      await pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'freshness-ended'`,
      );
      await expect.poll(() => freshness.heard(builds, STORE, ['follows'])).toBeUndefined();
      expect(await freshness.waitUntilPassed(builds, token(6), ['follows'], 5_000)).toBe('passed');
    } finally {
      await own.end();
    }
  });

  it('is behind, and no error, when the database is away', async () => {
    const gone = openPool(database.url.replace(/:\d+\//, ':1/'), { size: 1, name: 'gone' });
    expect(await createFreshness(gone, new Set()).waitUntilPassed(builds, token(1), ['follows'], 5_000)).toBe('behind');
    await gone.end();
  });
});
