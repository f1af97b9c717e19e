import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../infra/ids.ts';
import { openVault } from '../../infra/vault/vault.ts';
import { eventMix } from '../../testing/event-mix.ts';
import { happened, type Fact } from '../../testing/projection-spec.ts';
import { openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { listBuilds, quoted } from '../builds/build-store.ts';
import { postgresProjections } from '../catalog.ts';
import { follows } from '../models/follows.ts';
import { rebuild } from './rebuild.ts';
import type { RebuildDeps, RebuildProgress } from './rebuild-deps.ts';

const SCRIPT = fileURLToPath(new URL('../../testing/projection-process.ts', import.meta.url));
const EVENTS = 42_000;
const LIMIT_MS = 180_000;

let world: ProjectorWorld;
const masterKey = randomBytes(32).toString('base64');
beforeAll(async () => {
  world = await openProjectorWorld();
  await openVault({ pool: world.pool, masterKey });
  const facts: Fact[] = [];
  for (const fact of eventMix(5)) {
    facts.push(fact);
    if (facts.length >= EVENTS) break;
  }
  await world.append(...facts);
}, LIMIT_MS);
afterAll(() => world.close());

const deps = (): RebuildDeps => ({
  ...world,
  versions: new Map(),
  redis: () => Promise.reject(new Error('no Redis here')),
});
const parallel = (): RebuildDeps => ({
  ...deps(),
  parallel: { threads: 3, databaseUrl: world.databaseUrl, eventStoreUrl: world.node.url, masterKey },
});
const options = {
  projections: postgresProjections,
  onPoison: 'stop' as const,
  signal: new AbortController().signal,
  report: () => undefined,
};

async function liveTables(): Promise<Record<string, unknown>> {
  const builds = (await listBuilds(world.pool)).filter(({ state }) => state === 'live');
  const tables: Record<string, unknown> = {};
  for (const projection of postgresProjections) {
    const build = builds.find((one) => one.projection === projection.name)!;
    for (const { table, key, columns } of projection.tables) {
      tables[`${projection.name}.${table}`] = (
        await world.pool.query(
          `select ${[...key, ...columns].join(', ')} from ${quoted(build.location)}.${table} order by ${key.join(', ')}`,
        )
      ).rows;
    }
  }
  return tables;
}

const counted = async () =>
  (
    await world.pool.query<{ events: string; position: string }>(
      `select distinct c.events, c.position from projections.checkpoint c join projections.build b on b.id = c.build_id where b.state = 'live'`,
    )
  ).rows;

describe('a replay in parallel', () => {
  it(
    'gives the tables and the checkpoints of a replay in one thread, and tells how far it is',
    async () => {
      await rebuild(deps(), options);
      const [tables, checkpoints] = [await liveTables(), await counted()];
      const told: RebuildProgress[] = [];
      await rebuild(parallel(), {
        ...options,
        report: (progress) => {
          told.push(progress);
        },
      });
      expect(await liveTables()).toEqual(tables);
      expect(await counted()).toEqual(checkpoints);
      expect(told.some(({ done }) => done > 0 && done < EVENTS)).toBe(true);
    },
    LIMIT_MS,
  );

  it(
    'contains what is appended meanwhile',
    async () => {
      const pair = { followerId: newId.account(), followeeId: newId.account() };
      let appended = false;
      await rebuild(parallel(), {
        ...options,
        report: () => {
          if (appended) return;
          appended = true;
          void world.append(happened('AccountFollowed', pair));
        },
      });
      await rebuild(deps(), { ...options, projections: [follows] });
      const live = (await listBuilds(world.pool, 'follows')).find(({ state }) => state === 'live')!;
      expect(
        (
          await world.pool.query(`select 1 from ${quoted(live.location)}.follow where follower_id = $1`, [
            pair.followerId,
          ])
        ).rowCount,
      ).toBe(1);
    },
    LIMIT_MS,
  );

  it(
    'finds the event that its threads could not apply, and names it',
    async () => {
      await world.store.append(`broken-${newId.account()}`, 'no_stream', [
        { id: crypto.randomUUID(), type: 'AccountFollowed', data: { followerId: 'nobody' }, metadata: {} },
      ]);
      await expect(rebuild(parallel(), options)).rejects.toThrow(/follows cannot apply AccountFollowed .* of broken-/);
      await rebuild(parallel(), { ...options, onPoison: 'park' });
      expect((await world.pool.query('select type from projections.dead_letter')).rows).toEqual([
        { type: 'AccountFollowed' },
      ]);
    },
    LIMIT_MS,
  );

  it(
    'goes on where it was killed, again and again, and ends in the same tables',
    async () => {
      const before = await liveTables();
      for (const ms of [1_500, 2_500, 3_500, 5_000]) {
        const child = spawn(
          process.execPath,
          [SCRIPT, 'rebuild', world.databaseUrl, world.node.url, '0', 'never', '--parallel', masterKey],
          { stdio: ['ignore', 'ignore', 'inherit'] },
        );
        const exited = once(child, 'exit');
        await Promise.race([delay(ms), exited]);
        child.kill('SIGKILL');
        await exited;
      }
      await rebuild(parallel(), { ...options, onPoison: 'park' });
      expect(await liveTables()).toEqual(before);
    },
    LIMIT_MS,
  );
});
