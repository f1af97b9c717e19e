import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { shownPosition } from '../../infra/event-store/position-text.ts';
import { newId } from '../../infra/ids.ts';
import { eventMix } from '../../testing/event-mix.ts';
import { happened, type Fact } from '../../testing/projection-spec.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { listBuilds, quoted } from '../builds/build-store.ts';
import { postgresProjections } from '../catalog.ts';
import { follows } from '../models/follows.ts';
import { likes } from '../models/likes.ts';
import { posts } from '../models/posts.ts';
import type { PostgresProjection } from '../projection.ts';
import { RebuildDiffersError } from './rebuild-check.ts';
import { rebuild } from './rebuild.ts';
import type { RebuildDeps } from './rebuild-deps.ts';
import { Runner } from '../runner/runner.ts';
import { buildAside, placeInLog } from './side-build.ts';
import { Supervisor } from '../runner/supervisor.ts';
import { verifyPostgres, type Verified } from './verify.ts';

let world: ProjectorWorld;
let supervisor: Supervisor | undefined;
const history: Fact[] = [];
beforeAll(async () => {
  world = await openProjectorWorld();
  for (const fact of eventMix(11)) {
    history.push(fact);
    if (history.length >= 4_000) break;
  }
  await world.append(...history.slice(0, 3_000));
  const runner = new Runner({
    ...world,
    limits: { events: 300, bytes: 1e7 },
    attempts: 2,
    firstDelayMs: 1,
    onPoison: async () => 'stop',
  });
  supervisor = new Supervisor({ ...world, projections: postgresProjections, runner, intervalMs: 50 });
  await supervisor.start();
});
afterAll(async () => {
  await supervisor?.close();
  await world.close();
});
afterEach(async () => {
  // No check leaves anything behind.
  expect((await listBuilds(world.pool)).filter(({ temporary }) => temporary)).toEqual([]);
});

const deps = (): RebuildDeps => ({
  ...world,
  versions: new Map(postgresProjections.map(({ name, version }) => [name, version])),
  redis: () => Promise.reject(new Error('no Redis here')),
});
const verify = (projections: readonly PostgresProjection[], sample?: number, listed?: number): Promise<Verified> =>
  verifyPostgres(world, projections, {
    sample,
    ...(listed === undefined ? {} : { listed }),
    signal: new AbortController().signal,
    report: () => undefined,
  });
const schemaOf = async (name: string) =>
  quoted((await listBuilds(world.pool, name)).find(({ state }) => state === 'live')!.location);
const pair = () => ({ followerId: newId.account(), followeeId: newId.account() });

describe('verify', () => {
  it('finds every model equal to its log while traffic runs', async () => {
    const traffic = (async () => {
      for (let at = 3_000; at < 4_000; at += 10) await world.append(...history.slice(at, at + 10));
    })();
    const { findings, keys } = await verify(postgresProjections);
    await traffic;
    expect(findings).toEqual([]);
    expect(keys).toBeGreaterThan(1_000);
    expect((await verify(postgresProjections)).findings).toEqual([]);
  });

  it('lists a changed row, a counter that is off, a lost row and one that nobody wrote, each by key with both values', async () => {
    const [one, two, three] = [pair(), pair(), pair()];
    await world.append(...[one, two, three].map((data) => happened('AccountFollowed', data)));
    expect((await verify([follows])).findings).toEqual([]);
    const schema = await schemaOf('follows');
    await world.pool.query(`update ${schema}.follow set since = '2001-01-01Z' where follower_id = $1`, [
      one.followerId,
    ]);
    await world.pool.query(`update ${schema}.follow_count set followers = followers + 5 where account_id = $1`, [
      two.followeeId,
    ]);
    await world.pool.query(`delete from ${schema}.follow where follower_id = $1`, [three.followerId]);
    await world.pool.query(`insert into ${schema}.follow_request values ('nobody', 'nobody else', '2001-01-01Z')`);
    const found = (await verify([follows])).findings.map(({ projection, difference }) => ({
      projection,
      ...difference,
    }));
    expect(found).toHaveLength(4);
    expect(found).toContainEqual({
      projection: 'follows',
      table: 'follow',
      key: { follower_id: one.followerId, followee_id: one.followeeId },
      live: { since: '2001-01-01T00:00:00+00:00' },
      expected: { since: expect.stringMatching(/^2026/) },
    });
    expect(found).toContainEqual({
      projection: 'follows',
      table: 'follow_count',
      key: { account_id: two.followeeId },
      live: { followers: 6, following: 0 },
      expected: { followers: 1, following: 0 },
    });
    expect(found).toContainEqual({
      projection: 'follows',
      table: 'follow',
      key: { follower_id: three.followerId, followee_id: three.followeeId },
      live: null,
      expected: { since: expect.stringMatching(/^2026/) },
    });
    expect(found).toContainEqual({
      projection: 'follows',
      table: 'follow_request',
      key: { follower_id: 'nobody', followee_id: 'nobody else' },
      live: { requested_at: '2001-01-01T00:00:00+00:00' },
      expected: null,
    });
  });

  it('lists the first of very many differences and counts the others', async () => {
    const schema = await schemaOf('follows');
    const { rowCount } = await world.pool.query(`update ${schema}.follow_count set followers = followers + 5`);
    try {
      const differing = (await verify([follows])).findings.length;
      expect(differing).toBeGreaterThanOrEqual(rowCount!);
      const { findings, more } = await verify([follows], undefined, 7);
      expect(findings).toHaveLength(7);
      expect(more).toBe(differing - 7);
      for (const {
        difference: { live, expected },
      } of findings)
        expect([live, expected]).not.toContain(undefined);
    } finally {
      await world.pool.query(`update ${schema}.follow_count set followers = followers - 5`);
    }
  });

  it('is mended by a rebuild, which --verify does not let pass unseen', async () => {
    await world.pool.query(
      `update ${await schemaOf('likes')}.like_count set likes = likes + 1 where post_id = (select min(post_id) from ${await schemaOf('likes')}.like_count)`,
    );
    const options = {
      projections: [likes],
      onPoison: 'stop' as const,
      signal: new AbortController().signal,
      report: () => undefined,
    };
    const refused: unknown = await rebuild(deps(), { ...options, verify: true }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RebuildDiffersError);
    expect((refused as RebuildDiffersError).lines).toHaveLength(1);
    expect((await verify([likes])).findings).toHaveLength(1);
    await rebuild(deps(), options);
    expect((await verify([likes])).findings).toEqual([]);
    await rebuild(deps(), { ...options, verify: true });
  });

  it('switches after a rebuild with --verify while traffic runs', async () => {
    let appending = true;
    const traffic = (async () => {
      while (appending) await world.append(happened('AccountFollowed', pair()));
    })();
    await rebuild(deps(), {
      projections: [posts],
      onPoison: 'stop',
      signal: new AbortController().signal,
      report: () => undefined,
      verify: true,
    });
    appending = false;
    await traffic;
    expect((await verify([posts])).findings).toEqual([]);
  });

  it('compares only a share of the keys when it is asked for a sample', async () => {
    const all = await verify([likes]);
    const some = await verify([likes], 50);
    expect(some.keys).toBeLessThan(all.keys / 2);
    expect(some.keys).toBeGreaterThan(0);
  });

  it('refuses to compare a build of another version', async () => {
    await expect(verify([{ ...likes, version: 7 }])).rejects.toThrow('rebuild --outdated');
  });
});

describe('a side build', () => {
  it('shows a model as it was at a place of the log, and stands still there', async () => {
    const schema = await schemaOf('follows');
    const subject = pair();
    await world.append(happened('AccountFollowed', subject));
    const then = await world.store.head();
    await world.append(
      happened('FollowEnded', { ...subject, reason: 'unfollowed' }),
      happened('AccountFollowed', pair()),
    );
    const [build] = await buildAside(deps(), {
      projections: [follows],
      until: { position: then, at: new Date() },
      onPoison: 'stop',
      signal: new AbortController().signal,
      report: () => undefined,
    });
    const followed = (where: string) =>
      world.pool
        .query(`select 1 from ${where}.follow where follower_id = $1`, [subject.followerId])
        .then(({ rowCount }) => rowCount);
    expect(await followed(quoted(build!.location))).toBe(1);
    await eventually('the live build shows the end', async () => (await followed(schema)) === 0);
    expect(await followed(quoted(build!.location))).toBe(1);
    const { rows } = await world.pool.query('select position from projections.checkpoint where build_id = $1', [
      build!.id,
    ]);
    expect(rows).toEqual([{ position: then }]);
  });

  it('finds the place of a position or a time', async () => {
    const before = await world.store.head();
    const placed = async (text: string) => (await placeInLog(world.store, text))?.position;
    expect(await placed(before)).toBe(before);
    expect(await placed(shownPosition(before))).toBe(before);
    expect(await placed(new Date(Date.now() + 3_600_000).toISOString())).toBe(await world.store.head());
    expect(await placed('2001-01-01')).toMatch(/^0+$/);
    expect(await placeInLog(world.store, 'yesterday')).toBeUndefined();
  });
});
