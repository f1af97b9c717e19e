import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEventStore, type EventStore } from '../../infra/event-store/event-store.ts';
import { openPool, type Pool } from '../../infra/postgres.ts';
import { openRedis, whenRedisReady, type RedisClient } from '../../infra/redis/redis.ts';
import { eventMix, STEP_MS } from '../../testing/event-mix.ts';
import { startMortalServers, type MortalServers, type ServerName } from '../../testing/mortal-servers.ts';
import type { Fact } from '../../testing/projection-spec.ts';
import { appendFacts } from '../../testing/projector-world.ts';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import { listBuilds, quoted } from '../builds/build-store.ts';
import { resolveBuilds } from '../builds/builds.ts';
import { codeVersions, laneProjections, postgresProjections } from '../catalog.ts';
import { fillAbsent } from '../feeds/computed-index.ts';
import { definedFeeds } from '../feeds/fan-out.ts';
import { homeFeed, homeFeeds } from '../feeds/home-feed.ts';
import { BUCKETS, keysOf } from '../lane-keys.ts';
import { verifyLanes } from './verify-lanes.ts';

const SCRIPT = fileURLToPath(new URL('../../testing/rebuild-process.ts', import.meta.url));
const KILLS = process.env['LONG_TESTS'] === '1' ? 50 : 6;
const EVENTS = process.env['LONG_TESTS'] === '1' ? 12_000 : 4_000;
const LIMIT_MS = KILLS * 60_000;
const RESUMED = /resumed [1-9]/;
const VICTIMS = ['rebuild', 'postgres', 'redis', 'event-store'] as const;

let servers: MortalServers;
beforeAll(async () => {
  servers = await startMortalServers();
  const store = await openEventStore(servers.eventStoreUrl);
  const facts: Fact[] = [];
  for (const fact of eventMix(11, Date.now() - EVENTS * STEP_MS)) {
    facts.push(fact);
    if (facts.length >= EVENTS) break;
  }
  await appendFacts(store, facts);
  await store.close();
}, 240_000);
afterAll(() => servers.close());

async function killAndRestart(victim: ServerName): Promise<void> {
  await servers.kill(victim);
  await servers.restart(victim);
}

type Rebuilding = {
  readonly child: ChildProcess;
  readonly planned: Promise<unknown>;
  readonly ended: Promise<{ ok: boolean; said: string }>;
};

function startRebuild(): Rebuilding {
  const child = spawn(process.execPath, [SCRIPT, servers.databaseUrl, servers.eventStoreUrl, servers.redisUrl], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const ended = (once(child, 'close') as Promise<[number | null]>).then(([code]) => ({ ok: code === 0, said }));
  return { child, ended, planned: Promise.race([once(child.stdout, 'data'), ended]) };
}

async function withStores<T>(
  work: (stores: { pool: Pool; store: EventStore; redis: RedisClient }) => Promise<T>,
): Promise<T> {
  const pool = openPool(servers.databaseUrl, { size: 6, name: 'servers-killed' });
  const redis = openRedis(servers.redisUrl);
  const store = await openEventStore(servers.eventStoreUrl);
  try {
    await whenRedisReady(redis, 30_000);
    return await work({ pool, store, redis });
  } finally {
    redis.disconnect();
    await store.close();
    await pool.end();
  }
}

const liveTables = () =>
  withStores(async ({ pool }) => {
    const live = (await listBuilds(pool)).filter(({ state }) => state === 'live');
    const tables: Record<string, unknown> = {};
    for (const projection of postgresProjections) {
      const build = live.find((one) => one.projection === projection.name)!;
      for (const { table, key, columns } of projection.tables) {
        tables[`${projection.name}.${table}`] = (
          await pool.query(
            `select ${[...key, ...columns].join(', ')} from ${quoted(build.location)}.${table} order by ${key.join(', ')}`,
          )
        ).rows;
      }
    }
    return tables;
  });

/** Makes everybody's feed, as reading would: a rebuild fills what readers use. */
const readAllFeeds = () =>
  withStores(async ({ pool, redis }) => {
    const builds = await resolveBuilds(pool, codeVersions);
    const prefix = builds.prefix(homeFeed.name);
    const { entries, keys, define } = definedFeeds(homeFeeds);
    const indexes = createSortedIndexes(redis, { prefix: `${prefix}:`, buckets: BUCKETS });
    const { rows } = await pool.query<{ id: string }>(
      `select account_id as id from ${builds.schema('accounts')}.account where status = 'active'`,
    );
    const keyOf = keysOf(prefix, keys);
    await fillAbsent(
      indexes,
      rows.map(({ id }) => ({ id, key: keyOf(id) })),
      {
        limit: entries,
        compute: (ids) =>
          define({ read: { sql: pool, builds }, indexes, prefix, now: () => new Date() }, ids, new Date()),
      },
    );
  });

/** How long a rebuild that nobody disturbs works, in ms: the kills come within it, however fast the machine is. */
async function runsFor(): Promise<number> {
  const { planned, ended } = startRebuild();
  await planned;
  const since = performance.now();
  const { ok, said } = await ended;
  if (!ok) throw new Error(`the rebuild that nobody disturbed failed: ${said}`);
  return performance.now() - since;
}

async function rebuildToTheEnd(): Promise<string> {
  for (let attempt = 0; ; attempt += 1) {
    const { ok, said } = await startRebuild().ended;
    if (ok) return said;
    if (attempt > 5) throw new Error(`the rebuild does not come to its end: ${said}`);
  }
}

describe('a rebuild of all models', () => {
  it(
    'ends right after it, PostgreSQL, Redis or the event store was killed at random moments',
    async () => {
      const runs = await runsFor();
      const expected = await liveTables();
      await readAllFeeds();
      let resumed = 0;
      for (let kill = 0; kill < KILLS; kill += 1) {
        const { child, planned, ended } = startRebuild();
        await planned;
        // The first is killed at its start, so that at least one is resumed.
        await Promise.race([delay(kill === 0 ? 0 : Math.random() * runs), ended]);
        const victim = VICTIMS[kill % VICTIMS.length] ?? 'rebuild';
        if (victim === 'rebuild') child.kill('SIGKILL');
        else await killAndRestart(victim);
        const { said } = await ended;
        if (RESUMED.test(said)) resumed += 1;
      }
      if (RESUMED.test(await rebuildToTheEnd())) resumed += 1;
      expect(await liveTables()).toEqual(expected);
      expect(resumed).toBeGreaterThan(0);
      await withStores(async ({ pool, store, redis }) => {
        const builds = await listBuilds(pool);
        expect(builds.filter(({ state }) => state === 'building')).toEqual([]);
        for (const projection of laneProjections) {
          const { differences } = await verifyLanes({ pool, redis, store, versions: codeVersions }, projection, {
            signal: new AbortController().signal,
            report: () => undefined,
          });
          expect(differences).toEqual([]);
        }
      });
    },
    LIMIT_MS,
  );
});
