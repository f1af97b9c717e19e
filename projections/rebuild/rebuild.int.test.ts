import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AccountId } from '../../domain/ids.ts';
import { newId } from '../../infra/ids.ts';
import { eventMix } from '../../testing/event-mix.ts';
import { happened, type Fact } from '../../testing/projection-spec.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { createBuild, listBuilds, quoted, type Build } from '../builds/build-store.ts';
import { resolveBuilds } from '../builds/builds.ts';
import { postgresProjections } from '../catalog.ts';
import { flip, rollBack } from '../builds/switch-over.ts';
import { follows } from '../models/follows.ts';
import { likes } from '../models/likes.ts';
import type { PostgresProjection } from '../projection.ts';
import { rebuild as runRebuild, type RebuildOptions } from './rebuild.ts';
import type { RebuildDeps } from './rebuild-deps.ts';
import { Runner } from '../runner/runner.ts';
import { Supervisor } from '../runner/supervisor.ts';
import { removeData } from '../builds/clean-up.ts';

let world: ProjectorWorld;
let supervisor: Supervisor | undefined;
/** Ends with its test whatever the test left running. */
let over: AbortController;
beforeAll(async () => {
  world = await openProjectorWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  over = new AbortController();
  await world.pool.query(`update projections.live_builds set builds = '{}'`);
  for (const build of await listBuilds(world.pool)) await removeData(world.pool, build, async () => undefined);
});
const leftRunning = new Set<Promise<unknown>>();
afterEach(async () => {
  over.abort();
  await Promise.allSettled(leftRunning);
  leftRunning.clear();
  await supervisor?.close();
  supervisor = undefined;
});

const versions = new Map(postgresProjections.map(({ name, version }) => [name, version]));
const deps = (): RebuildDeps => ({ ...world, versions, redis: () => Promise.reject(new Error('no Redis here')) });
const options = (projections: readonly PostgresProjection[], change: Partial<RebuildOptions> = {}): RebuildOptions => ({
  projections,
  onPoison: 'stop',
  signal: over.signal,
  report: () => undefined,
  ...change,
});

/** Notes what is under way, so that a test that fails leaves nothing behind. */
function going<T>(work: Promise<T>): Promise<T> {
  leftRunning.add(work);
  work.catch(() => undefined);
  return work;
}
const rebuild = (...args: Parameters<typeof runRebuild>) => going(runRebuild(...args));

async function project(projections: readonly PostgresProjection[]): Promise<Supervisor> {
  const runner = new Runner({
    ...world,
    limits: { events: 200, bytes: 1e7 },
    attempts: 2,
    firstDelayMs: 1,
    onPoison: async () => 'stop',
  });
  supervisor = new Supervisor({ ...world, projections, runner, intervalMs: 50 });
  await supervisor.start();
  return supervisor;
}

const follow = (followerId: AccountId, followeeId: AccountId) =>
  happened('AccountFollowed', { followerId, followeeId });
const manyFollows = (count: number): Fact[] =>
  Array.from({ length: count }, () => follow(newId.account(), newId.account()));
const mixed = (count: number, seed: number): Fact[] => {
  const facts: Fact[] = [];
  for (const fact of eventMix(seed)) {
    facts.push(fact);
    if (facts.length >= count) break;
  }
  return facts;
};

const liveBuild = async (name: string): Promise<Build | undefined> =>
  (await listBuilds(world.pool, name)).find(({ state }) => state === 'live');
const rowsIn = async (build: Build, table: string) =>
  (await world.pool.query<{ n: number }>(`select count(*)::int as n from ${quoted(build.location)}.${table}`)).rows[0]!
    .n;
/** How many follows there are, told from the log by plain means. */
const followsInLog = async () => {
  const pairs = new Set<string>();
  for await (const { type, data } of world.store.readAll()) {
    const { followerId, followeeId, blockerId, blockedId, accountId } = data as Record<string, string>;
    if (type === 'AccountFollowed') pairs.add(`${followerId!} ${followeeId!}`);
    if (type === 'FollowEnded') pairs.delete(`${followerId!} ${followeeId!}`);
    if (type === 'AccountBlocked')
      for (const pair of [`${blockerId!} ${blockedId!}`, `${blockedId!} ${blockerId!}`]) pairs.delete(pair);
    if (type === 'AccountErased')
      [...pairs]
        .filter((pair) => pair.includes(accountId!))
        .forEach((pair) => {
          pairs.delete(pair);
        });
  }
  return pairs.size;
};
async function contents(build: Build, projection: PostgresProjection): Promise<unknown[]> {
  const tables: unknown[] = [];
  for (const { table, key, columns } of projection.tables) {
    tables.push(
      (
        await world.pool.query(
          `select ${[...key, ...columns].join(', ')} from ${quoted(build.location)}.${table} order by ${key.join(', ')}`,
        )
      ).rows,
    );
  }
  return tables;
}
const levelWithLog = async (names: readonly string[]) => {
  const head = await world.store.head();
  await eventually('the live builds reach the head', async () => {
    const { rows } = await world.pool.query<{ position: string }>(
      `select c.position from projections.checkpoint c join projections.build b on b.id = c.build_id where b.state = 'live' and b.projection = any($1)`,
      [names],
    );
    return rows.length === names.length && rows.every(({ position }) => position >= head);
  });
};

describe('a rebuild', () => {
  it('gives the same tables as live projecting, for every model, from the same log', async () => {
    await world.append(...mixed(3_000, 7));
    await project(postgresProjections);
    await levelWithLog(postgresProjections.map(({ name }) => name));
    const before = new Map<string, Build>();
    for (const { name } of postgresProjections) before.set(name, (await liveBuild(name))!);
    await rebuild(deps(), options(postgresProjections));
    for (const projection of postgresProjections) {
      const now = (await liveBuild(projection.name))!;
      expect(now.id).not.toBe(before.get(projection.name)!.id);
      expect({ [projection.name]: await contents(now, projection) }).toEqual({
        [projection.name]: await contents(before.get(projection.name)!, projection),
      });
    }
  });

  it('makes a model that was never built, on a log that has a history', async () => {
    await world.append(...manyFollows(50));
    await rebuild(deps(), options([follows]));
    expect(await rowsIn((await liveBuild('follows'))!, 'follow')).toBe(await followsInLog());
  });

  it('hands readers tables of which PostgreSQL has statistics', async () => {
    await world.append(...manyFollows(30));
    await rebuild(deps(), options([follows]));
    const { rows } = await world.pool.query<{ reltuples: number }>(
      'select reltuples from pg_class where oid = $1::regclass',
      [`${quoted((await liveBuild('follows'))!.location)}.follow`],
    );
    expect(rows[0]?.reltuples).toBeGreaterThanOrEqual(30);
  });

  it('gives a full model when it is run again right after the first', async () => {
    await world.append(...manyFollows(50));
    await rebuild(deps(), options([follows]));
    const first = (await liveBuild('follows'))!;
    await rebuild(deps(), options([follows]));
    const second = (await liveBuild('follows'))!;
    expect(second.id).not.toBe(first.id);
    expect(await rowsIn(second, 'follow')).toBe(await followsInLog());
  });

  it('contains what is appended while it runs, and what comes afterwards', async () => {
    await world.append(...manyFollows(2_000));
    await project([follows]);
    let appending = true;
    const writers = going(
      Promise.all(
        [1, 2, 3, 4].map(async () => {
          while (appending && !over.signal.aborted) await world.append(...manyFollows(3));
        }),
      ),
    );
    await rebuild(deps(), options([follows]));
    appending = false;
    await writers;
    await levelWithLog(['follows']);
    expect(await rowsIn((await liveBuild('follows'))!, 'follow')).toBe(await followsInLog());
  });

  it('shows a reader in a loop no error, no empty or shrinking model and no mix of two builds', async () => {
    const star = newId.account();
    await world.append(...Array.from({ length: 1_000 }, () => follow(newId.account(), star)));
    await project([follows, likes]);
    await levelWithLog(['follows', 'likes']);
    let reading = true;
    const seen: number[] = [];
    const generations = new Set<string>();
    const reader = going(
      (async () => {
        while (reading && !over.signal.aborted) {
          const builds = await resolveBuilds(world.pool, versions);
          const { rows } = await world.pool.query<{ n: number; counted: number }>(
            `select count(*)::int as n, (select followers::int from ${builds.schema('follows')}.follow_count where account_id = $1) as counted from ${builds.schema('follows')}.follow where followee_id = $1`,
            [star],
          );
          expect(rows[0]!.counted).toBe(rows[0]!.n);
          seen.push(rows[0]!.n);
          generations.add(`${String(builds.id('follows'))} ${String(builds.id('likes'))}`);
        }
      })(),
    );
    for (let round = 0; round < 3; round += 1) {
      const writing = going(world.append(...Array.from({ length: 20 }, () => follow(newId.account(), star))));
      await rebuild(deps(), options([follows, likes]));
      await writing;
      await eventually('the reader reads the new builds', () => generations.size === round + 2);
    }
    reading = false;
    await reader;
    expect(seen.length).toBeGreaterThan(20);
    expect(seen.every((n, i) => n >= (seen[i - 1] ?? 1_000))).toBe(true);
    const ends = [...generations].map((pair) => pair.split(' ').map(Number));
    expect(ends.every(([one, two], i) => i === 0 || (one! > ends[i - 1]![0]! && two! > ends[i - 1]![1]!))).toBe(true);
    expect(ends).toHaveLength(4);
  });

  it('refuses a second one of the same model meanwhile, in one clear line', async () => {
    await world.append(...manyFollows(10));
    let second: unknown;
    await rebuild(
      deps(),
      options([follows], {
        check: async () => {
          second = await rebuild(deps(), options([follows])).catch((error: unknown) => error);
        },
      }),
    );
    expect(second).toMatchObject({
      name: 'RebuildRunningError',
      message: 'follows is being rebuilt by another process: wait until it ends, or stop it',
    });
  });

  it('lets another model be rebuilt meanwhile', async () => {
    await world.append(...manyFollows(10));
    await rebuild(
      deps(),
      options([follows], {
        check: async () => {
          await rebuild(deps(), options([likes]));
        },
      }),
    );
    expect(await liveBuild('likes')).toBeDefined();
    expect(await liveBuild('follows')).toBeDefined();
  });

  it('goes on where it was interrupted, and says so', async () => {
    await world.append(...manyFollows(500));
    const stop = new AbortController();
    await expect(
      rebuild(
        deps(),
        options([follows], {
          signal: AbortSignal.any([stop.signal, over.signal]),
          check: async () => {
            stop.abort();
          },
        }),
      ),
    ).rejects.toThrow('goes on where it stopped');
    expect(await liveBuild('follows')).toBeUndefined();
    const [left] = await listBuilds(world.pool, 'follows');
    const resumed: boolean[] = [];
    await rebuild(
      deps(),
      options([follows], {
        planned: (plan) => {
          resumed.push(...plan.postgres.map((target) => target.resumed));
        },
      }),
    );
    expect(resumed).toEqual([true]);
    expect((await liveBuild('follows'))!.id).toBe(left!.id);
    expect(await rowsIn((await liveBuild('follows'))!, 'follow')).toBe(await followsInLog());
  });

  it('fails loudly at an event that it cannot apply, names it, and leaves readers what they have', async () => {
    await world.append(...manyFollows(10));
    await rebuild(deps(), options([follows]));
    const before = (await liveBuild('follows'))!;
    const poison = newId.account();
    const fragile: PostgresProjection = {
      ...follows,
      apply: async (tx, schema, events) => {
        if (events.some((event) => event.type === 'AccountFollowed' && event.data.followerId === poison))
          throw new Error('cannot be applied');
        await follows.apply(tx, schema, events);
      },
    };
    await world.append(follow(poison, newId.account()), ...manyFollows(5));
    await expect(rebuild(deps(), options([fragile]))).rejects.toThrow(
      /follows cannot apply AccountFollowed [0-9a-f-]+ of facts-.*: cannot be applied/,
    );
    expect((await liveBuild('follows'))!.id).toBe(before.id);
    await rebuild(deps(), options([follows]));
    expect(await rowsIn((await liveBuild('follows'))!, 'follow')).toBe(await followsInLog());
  });

  it('does not switch while the new build is behind the live one', async () => {
    await world.append(...manyFollows(20));
    await project([follows]);
    await levelWithLog(['follows']);
    const build = await createBuild(world.pool, {
      projection: follows,
      storeId: world.store.storeId,
      state: 'building',
    });
    expect(await flip(world.pool, [build.id])).toEqual({ behind: ['follows'] });
    expect((await liveBuild('follows'))!.id).not.toBe(build.id);
  });

  it('keeps feeding the build before it, so that a rollback loses nothing', async () => {
    await world.append(...manyFollows(20));
    await project([follows]);
    await levelWithLog(['follows']);
    const old = (await liveBuild('follows'))!;
    await rebuild(deps(), options([follows]));
    await world.append(...manyFollows(20));
    await levelWithLog(['follows']);
    await eventually('the roll-back', async () => (await rollBack(world.pool, ['follows'])) === 'flipped');
    expect((await liveBuild('follows'))!.id).toBe(old.id);
    await world.append(...manyFollows(5));
    await levelWithLog(['follows']);
    expect(await rowsIn(old, 'follow')).toBe(await followsInLog());
    await eventually('forward again', async () => (await rollBack(world.pool, ['follows'])) === 'flipped');
    expect((await liveBuild('follows'))!.id).not.toBe(old.id);
  });

  it('has no previous build to roll back to before the first rebuild', async () => {
    await project([follows]);
    await expect(rollBack(world.pool, ['follows'])).rejects.toThrow('no previous build');
  });

  it('throws away what another version of the code left unfinished', async () => {
    const stale = await createBuild(world.pool, {
      projection: { ...follows, version: 99 },
      storeId: world.store.storeId,
      state: 'building',
    });
    await world.append(...manyFollows(5));
    await rebuild(deps(), options([follows]));
    expect((await listBuilds(world.pool)).some(({ id }) => id === stale.id)).toBe(false);
    expect(await rowsIn((await liveBuild('follows'))!, 'follow')).toBe(await followsInLog());
  });

  it('replaces builds of another log, which projectors refuse to feed', async () => {
    const foreign = await createBuild(world.pool, {
      projection: follows,
      storeId: crypto.randomUUID(),
      state: 'building',
    });
    await flip(world.pool, [foreign.id]);
    await world.append(...manyFollows(5));
    const running = await project([follows]);
    expect(running.refused.get('follows')).toContain('shutterlog projections rebuild follows');
    await rebuild(deps(), options([follows]));
    expect(await rowsIn((await liveBuild('follows'))!, 'follow')).toBe(await followsInLog());
    await world.append(...manyFollows(5));
    await levelWithLog(['follows']);
    expect(running.refused.size).toBe(0);
  });

  it('serves the code of each version its own build while a release is rolled out', async () => {
    await world.append(...manyFollows(5));
    await rebuild(deps(), options([follows]));
    const old = (await liveBuild('follows'))!;
    const next = follows.version + 1;
    await rebuild(deps(), options([{ ...follows, version: next }]));
    expect((await resolveBuilds(world.pool, new Map([['follows', follows.version]]))).id('follows')).toBe(old.id);
    expect((await resolveBuilds(world.pool, new Map([['follows', next]]))).id('follows')).toBe(
      (await liveBuild('follows'))!.id,
    );
  });
});
