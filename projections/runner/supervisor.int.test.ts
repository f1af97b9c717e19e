import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Changes } from '../../infra/process/invalidation-source.ts';
import { newId } from '../../infra/ids.ts';
import { happened } from '../../testing/projection-spec.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { listBuilds, quoted } from '../builds/build-store.ts';
import { NoLiveBuildError, resolveBuilds } from '../builds/builds.ts';
import { postgresProjections } from '../catalog.ts';
import { ChangesListener } from './invalidation-listener.ts';
import { retire } from '../builds/switch-over.ts';
import { follows } from '../models/follows.ts';
import { Leases } from '../builds/leases.ts';
import { likes } from '../models/likes.ts';
import type { PostgresProjection } from '../projection.ts';
import { Runner } from './runner.ts';
import { prepareProjectionTables } from '../builds/schema.ts';
import { writeSetting } from '../builds/settings.ts';
import { projectionStatus } from '../status/status.ts';
import { Supervisor } from './supervisor.ts';
import { sweepBuilds } from '../builds/clean-up.ts';

const SCRIPT = fileURLToPath(new URL('../../testing/projection-process.ts', import.meta.url));

let world: ProjectorWorld;
const running: Supervisor[] = [];
beforeAll(async () => {
  world = await openProjectorWorld();
});
afterAll(() => world.close());
afterEach(async () => {
  for (const supervisor of running.splice(0)) await supervisor.close();
});

async function supervise(
  projections: readonly PostgresProjection[],
): Promise<{ supervisor: Supervisor; runner: Runner }> {
  const runner = new Runner({
    ...world,
    limits: { events: 100, bytes: 1e7 },
    attempts: 2,
    firstDelayMs: 1,
    onPoison: async () => 'stop',
  });
  const supervisor = new Supervisor({ ...world, projections, runner, intervalMs: 40 });
  running.push(supervisor);
  await supervisor.start();
  return { supervisor, runner };
}

const follow = () => happened('AccountFollowed', { followerId: newId.account(), followeeId: newId.account() });
const live = async (name: string) => (await listBuilds(world.pool, name)).find(({ state }) => state === 'live')!;
const positionOf = async (id: number) =>
  (
    await world.pool.query<{ position: string }>('select position from projections.checkpoint where build_id = $1', [
      id,
    ])
  ).rows[0]!.position;
const level = async (name: string) => {
  const head = await world.store.head();
  await eventually(`${name} reaches the head`, async () => (await positionOf((await live(name)).id)) >= head);
};
const status = async (catalog: readonly PostgresProjection[]) =>
  projectionStatus({ pool: world.pool, store: world.store, catalog, now: () => new Date() });

describe('the supervisor', () => {
  it('makes the first builds on a log with a history, and readers find them', async () => {
    await expect(resolveBuilds(world.pool, new Map()).then((builds) => builds.schema('follows'))).rejects.toThrow(
      NoLiveBuildError,
    );
    await world.append(follow(), follow());
    await supervise([follows, likes]);
    await level('follows');
    const builds = await resolveBuilds(world.pool, new Map());
    expect((await world.pool.query(`select 1 from ${builds.schema('follows')}.follow`)).rowCount).toBe(2);
  });

  it('announces that everything may have changed before it goes on with builds that readers use', async () => {
    const heard: Changes[] = [];
    const listener = new ChangesListener(world.databaseUrl);
    listener.start();
    await eventually('it listens', () => listener.complete);
    listener.onChanges((changes) => {
      heard.push(changes);
    });
    await supervise([follows, likes]);
    await eventually('it hears', () => heard.includes('all'));
    await listener.close();
  });

  it('lets several processes prepare the tables and the first builds at once', async () => {
    await Promise.all([1, 2, 3, 4].map(() => prepareProjectionTables(world.pool)));
    const extra = postgresProjections.filter(({ name }) => name === 'saves' || name === 'media');
    await Promise.all([supervise(extra), supervise(extra), supervise(extra)]);
    for (const { name } of extra)
      expect((await listBuilds(world.pool, name)).map(({ state }) => state)).toEqual(['live']);
  });

  it('feeds each build in one process only, and takes it over when that process is killed', async () => {
    const child = spawn(process.execPath, [SCRIPT, 'project', world.databaseUrl, world.node.url, '0', 'never'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const build = (await live('follows')).id;
    await eventually('the process feeds', async () => (await status([follows]))[0]!.state === 'following');
    const { runner } = await supervise([follows]);
    expect(runner.states()).toEqual([]);
    await world.append(follow());
    await level('follows');
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    await eventually('the other takes over', () => runner.states().some((state) => state.build.id === build));
    await world.append(follow());
    await level('follows');
  });

  it('stops feeding when its connection for leases ends, and goes on with a new one', async () => {
    const { runner } = await supervise([follows]);
    await world.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'shutterlog-leases' and datname = current_database()`,
    );
    const position = await world.append(follow());
    await eventually('it goes on', async () => (await positionOf((await live('follows')).id)) >= position);
    expect(runner.states()).toHaveLength(1);
  });

  it('leaves a build that it cannot attach to others, says why, and feeds the rest', async () => {
    const { id, location } = await live('likes');
    await world.pool.query('create table public.kept as select * from projections.checkpoint where build_id = $1', [
      id,
    ]);
    await world.pool.query('delete from projections.checkpoint where build_id = $1', [id]);
    const { supervisor, runner } = await supervise([follows, likes]);
    expect(runner.states().map(({ build }) => build.projection)).toEqual(['follows']);
    await eventually('it says why', () => supervisor.trouble === `${location} has no checkpoint`);
    const others = await Leases.open(world.databaseUrl);
    await eventually('another one gets the lease', () => others.take(id));
    await world.pool.query('insert into projections.checkpoint select * from public.kept');
    await others.close();
    await eventually('it feeds the build', () => runner.states().length === 2);
    await eventually('its trouble is over', () => supervisor.trouble === undefined);
  });

  it('obeys a pause at once, and goes on afterwards', async () => {
    const { runner } = await supervise([follows]);
    await writeSetting(world.pool, 'follows', { paused: true });
    await eventually('it lets go', () => runner.states().length === 0);
    expect((await status([follows]))[0]!.state).toBe('paused');
    const position = await world.append(follow());
    expect((await positionOf((await live('follows')).id)) < position).toBe(true);
    expect((await status([follows]))[0]!.live!.lag).toMatchObject({ events: 1, estimated: false });
    await writeSetting(world.pool, 'follows', { paused: false });
    await level('follows');
  });

  it('tries an event that stopped a build again when the operator says so, and when it starts anew', async () => {
    const poison = newId.account();
    let cured = false;
    const fragile: PostgresProjection = {
      ...follows,
      apply: async (tx, schema, events) => {
        if (!cured && events.some((event) => event.type === 'AccountFollowed' && event.data.followerId === poison))
          throw new Error('cannot be applied');
        await follows.apply(tx, schema, events);
      },
    };
    const first = await supervise([fragile]);
    await world.append(happened('AccountFollowed', { followerId: poison, followeeId: newId.account() }), follow());
    const stopped = () => eventually('it stops', async () => (await status([follows]))[0]!.state === 'stopped');
    await stopped();
    expect((await status([follows]))[0]!.stopped).toMatchObject({
      type: 'AccountFollowed',
      error: 'cannot be applied',
    });
    await first.supervisor.close();
    running.pop();
    await supervise([fragile]);
    await stopped();
    cured = true;
    await world.pool.query(
      `update projections.build set stopped = null where state = 'live' and projection = 'follows'`,
    );
    await level('follows');
    expect((await status([follows]))[0]!.state).toBe('following');
  });

  it('leaves a build of another version to code of that version, and says so', async () => {
    const { runner } = await supervise([{ ...follows, version: follows.version + 1 }]);
    expect(runner.states()).toEqual([]);
    expect((await status([{ ...follows, version: follows.version + 1 }]))[0]!.state).toBe('outdated');
  });

  it('says that nobody feeds a build', async () => {
    expect((await status([follows]))[0]!.state).toBe('unfed');
  });
});

describe('old builds', () => {
  it('are taken from readers after the grace period, and removed once they are drained', async () => {
    const build = await live('likes');
    await world.pool.query(
      `update projections.build set state = 'previous', state_since = now() - interval '2 hours' where id = $1`,
      [build.id],
    );
    await sweepBuilds({ pool: world.pool, graceMs: 3 * 3_600_000, removeKeys: async () => undefined });
    expect((await listBuilds(world.pool, 'likes')).map(({ state }) => state)).toEqual(['previous']);
    await sweepBuilds({ pool: world.pool, graceMs: 3_600_000, removeKeys: async () => undefined });
    expect((await listBuilds(world.pool, 'likes')).map(({ state }) => state)).toEqual(['dropped']);
    expect((await world.pool.query('select 1 from pg_namespace where nspname = $1', [build.location])).rowCount).toBe(
      1,
    );
    await world.pool.query(`update projections.build set state_since = now() - interval '2 minutes' where id = $1`, [
      build.id,
    ]);
    await sweepBuilds({ pool: world.pool, graceMs: 3_600_000, removeKeys: async () => undefined });
    expect(await listBuilds(world.pool, 'likes')).toEqual([]);
    expect((await world.pool.query('select 1 from pg_namespace where nspname = $1', [build.location])).rowCount).toBe(
      0,
    );
  });

  it('that are live are never retired', async () => {
    const build = await live('follows');
    await retire(world.pool, build);
    expect((await live('follows')).id).toBe(build.id);
    expect((await resolveBuilds(world.pool, new Map())).schema('follows')).toBe(quoted(build.location));
  });

  it('free their lease with the connection that holds it', async () => {
    const [one, two] = [await Leases.open(world.databaseUrl), await Leases.open(world.databaseUrl)];
    expect(await one.take(4_711)).toBe(true);
    expect(await one.take(4_711)).toBe(true);
    expect(await two.take(4_711)).toBe(false);
    await one.close();
    await eventually('the other gets it', () => two.take(4_711));
    await two.close();
  });
});
