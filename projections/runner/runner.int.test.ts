import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId } from '../../domain/ids.ts';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import { newId } from '../../infra/ids.ts';
import { happened, type Fact } from '../../testing/projection-spec.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { createBuild, listBuilds, quoted, type Build } from '../builds/build-store.ts';
import { readCheckpoints } from '../builds/checkpoints.ts';
import type { FeedDeps } from './subscription.ts';
import { follows } from '../models/follows.ts';
import type { PostgresProjection } from '../projection.ts';
import { relationships } from '../models/relationships.ts';
import { Runner } from './runner.ts';

let world: ProjectorWorld;
beforeAll(async () => {
  world = await openProjectorWorld();
});
afterAll(() => world.close());

const deps = (change: Partial<FeedDeps> = {}): FeedDeps => ({
  pool: world.pool,
  keys: world.keys,
  store: world.store,
  log: world.log,
  limits: { events: 500, bytes: 1e7 },
  attempts: 3,
  firstDelayMs: 1,
  onPoison: async () => 'stop',
  ...change,
});

const follow = (followerId: AccountId, followeeId: AccountId) =>
  happened('AccountFollowed', { followerId, followeeId });
const manyFollows = (count: number): Fact[] =>
  Array.from({ length: count }, () => follow(newId.account(), newId.account()));

let made = 0;
/** A projection that nobody else has, so that tests share a log and a database. */
const own = (projection: PostgresProjection): PostgresProjection => ({
  ...projection,
  name: `${projection.name}-${String((made += 1))}`,
});

async function startAt(
  projection: PostgresProjection,
  runner: Runner,
  at?: { position: Position; events: number },
): Promise<Build> {
  const build = await createBuild(world.pool, { projection, storeId: world.store.storeId, state: 'side' });
  if (at !== undefined)
    await world.pool.query('update projections.checkpoint set position = $2, events = $3 where build_id = $1', [
      build.id,
      at.position,
      at.events,
    ]);
  runner.attach([{ build, projection, position: at?.position ?? START_OF_LOG, events: at?.events ?? 0 }]);
  return build;
}

const checkpointOf = async (build: Build) => (await readCheckpoints(world.pool, [build.id])).get(build.id)!;
const passed = (build: Build, position: Position) =>
  eventually(
    `build ${String(build.id)} passes ${position}`,
    async () => (await checkpointOf(build)).position >= position,
  );
const rowsOf = async (build: Build, table: string) =>
  (await world.pool.query<{ n: number }>(`select count(*)::int as n from ${quoted(build.location)}.${table}`)).rows[0]!
    .n;

describe('the runner', () => {
  it('feeds several builds from one log, live events after the history, each with its own checkpoint', async () => {
    const runner = new Runner(deps());
    await world.append(...manyFollows(300));
    const [one, two] = [await startAt(own(follows), runner), await startAt(own(relationships), runner)];
    const blocked = await world.append(
      happened('AccountBlocked', { blockerId: newId.account(), blockedId: newId.account() }),
    );
    await Promise.all([passed(one, blocked), passed(two, blocked)]);
    const before = await rowsOf(one, 'follow');
    const live = await world.append(follow(newId.account(), newId.account()));
    await Promise.all([passed(one, live), passed(two, live)]);
    expect(await rowsOf(one, 'follow')).toBe(before + 1);
    expect(await rowsOf(two, 'block')).toBe(1);
    await runner.close();
  });

  it('moves checkpoints over events that a projection ignores, and counts every event of the log', async () => {
    const runner = new Runner(deps());
    const build = await startAt(own(relationships), runner);
    await passed(build, await world.append(...manyFollows(10)));
    let inLog = 0;
    for await (const { id } of world.store.readAll()) inLog += id.length > 0 ? 1 : 0;
    expect((await checkpointOf(build)).events).toBe(inLog);
    await runner.close();
  });

  it('writes nothing twice when two runners feed the same build by mistake', async () => {
    const [first, second] = [
      new Runner(deps({ limits: { events: 7, bytes: 1e7 } })),
      new Runner(deps({ limits: { events: 11, bytes: 1e7 } })),
    ];
    const projection = own(follows);
    const build = await startAt(projection, first);
    second.attach([{ build, projection, position: START_OF_LOG, events: 0 }]);
    await passed(build, await world.append(...manyFollows(120)));
    await Promise.all([first.close(), second.close()]);
    const { rows } = await world.pool.query<{ n: string }>(
      `select sum(followers) as n from ${quoted(build.location)}.follow_count`,
    );
    expect(Number(rows[0]!.n)).toBe(await rowsOf(build, 'follow'));
    let inLog = 0;
    for await (const { type } of world.store.readAll()) if (type === 'AccountFollowed') inLog += 1;
    expect(await rowsOf(build, 'follow')).toBe(inLog);
  });

  it('goes on from the stored checkpoint after a restart', async () => {
    const projection = own(follows);
    const first = new Runner(deps());
    const build = await startAt(projection, first);
    await passed(build, await world.append(...manyFollows(50)));
    await first.close();
    const late = await world.append(...manyFollows(50));
    const second = new Runner(deps());
    second.attach([{ build, projection, position: START_OF_LOG, events: 0 }]);
    await passed(build, late);
    await second.close();
    const { rows } = await world.pool.query<{ n: string }>(
      `select sum(followers) as n from ${quoted(build.location)}.follow_count`,
    );
    expect(Number(rows[0]!.n)).toBe(await rowsOf(build, 'follow'));
  });

  it('lets a build that is far behind catch up on its own, then merges it with the others', async () => {
    const runner = new Runner(deps());
    const ahead = await startAt(own(follows), runner);
    await passed(ahead, await world.append(...manyFollows(25_000)));
    const behind = await startAt(own(follows), runner);
    const live = await world.append(follow(newId.account(), newId.account()));
    await passed(ahead, live);
    await passed(behind, live);
    expect(await rowsOf(behind, 'follow')).toBe(await rowsOf(ahead, 'follow'));
    expect((await checkpointOf(behind)).events).toBe((await checkpointOf(ahead)).events);
    await runner.close();
  });

  it('stops only the projection that an event poisons, names the event, and keeps what came before it', async () => {
    const runner = new Runner(deps());
    const poison = newId.account();
    const fragile: PostgresProjection = {
      ...own(follows),
      apply: async (tx, schema, events) => {
        if (events.some((event) => event.type === 'AccountFollowed' && event.data.followerId === poison))
          throw new Error('cannot be applied');
        await follows.apply(tx, schema, events);
      },
    };
    const [broken, fine] = [await startAt(fragile, runner), await startAt(own(follows), runner)];
    const good = await world.append(...manyFollows(20));
    await world.append(follow(poison, newId.account()));
    const end = await world.append(...manyFollows(20));
    await passed(fine, end);
    await eventually('the stop is noted', async () =>
      (await listBuilds(world.pool)).some(({ id, stopped }) => id === broken.id && stopped !== undefined),
    );
    expect((await checkpointOf(broken)).position).toBe(good);
    expect(runner.states().find(({ build }) => build.id === broken.id)).toMatchObject({
      state: 'stopped',
      stopped: { type: 'AccountFollowed', error: 'cannot be applied', attempts: 3 },
    });
    await runner.close();
  });

  it('parks a poison event when the operator says so, and goes on behind it', async () => {
    const runner = new Runner(deps({ onPoison: async () => 'park' }));
    const poison = newId.account();
    const fragile: PostgresProjection = {
      ...own(follows),
      apply: async (tx, schema, events) => {
        await follows.apply(tx, schema, events);
        if (events.some((event) => event.type === 'AccountFollowed' && event.data.followerId === poison))
          throw new Error('cannot be applied');
      },
    };
    const build = await startAt(fragile, runner);
    await world.append(...manyFollows(5), follow(poison, newId.account()), ...manyFollows(5));
    const end = await world.append(...manyFollows(5));
    await passed(build, end);
    const { rows } = await world.pool.query(
      'select type, error, attempts from projections.dead_letter where build_id = $1',
      [build.id],
    );
    expect(rows).toEqual([{ type: 'AccountFollowed', error: 'cannot be applied', attempts: 3 }]);
    expect(
      await world.pool
        .query(`select 1 from ${quoted(build.location)}.follow where follower_id = $1`, [poison])
        .then(({ rowCount }) => rowCount),
    ).toBe(0);
    await runner.close();
  });

  it('stops at an event that cannot be read only those that handle its type', async () => {
    const runner = new Runner(deps());
    const [reads, ignores] = [await startAt(own(follows), runner), await startAt(own(relationships), runner)];
    await world.store.append(`broken-${newId.account()}`, 'no_stream', [
      { id: crypto.randomUUID(), type: 'AccountFollowed', data: { followerId: 'nobody' }, metadata: {} },
    ]);
    const end = await world.append(...manyFollows(3));
    await passed(ignores, end);
    await eventually('the stop is known', () =>
      runner.states().some(({ build, state }) => build.id === reads.id && state === 'stopped'),
    );
    expect(runner.states().find(({ build }) => build.id === reads.id)?.trouble).toContain('metadata');
    await runner.close();
  });

  it('closes at any moment after a build was attached', async () => {
    const projection = own(follows);
    const build = await createBuild(world.pool, { projection, storeId: world.store.storeId, state: 'side' });
    for (let turns = 0; turns < 12; turns += 1) {
      const runner = new Runner(deps());
      runner.attach([{ build, projection, position: START_OF_LOG, events: 0 }]);
      for (let turn = 0; turn < turns; turn += 1)
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      await runner.close();
    }
  });

  it('refuses a build that was made from another log, and names the command that rebuilds it', async () => {
    const runner = new Runner(deps());
    const projection = own(follows);
    const build = await createBuild(world.pool, { projection, storeId: crypto.randomUUID(), state: 'side' });
    expect(() => {
      runner.attach([{ build, projection, position: START_OF_LOG, events: 0 }]);
    }).toThrow(`shutterlog projections rebuild ${projection.name}`);
    await runner.close();
  });
});
