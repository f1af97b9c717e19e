import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Position } from '../../domain/position.ts';
import { openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { createBuild, listBuilds, type Build } from '../builds/build-store.ts';
import { resolveBuilds } from '../builds/builds.ts';
import { codeVersions } from '../catalog.ts';
import { ensureLiveBuild, flip } from '../builds/switch-over.ts';
import { follows } from '../models/follows.ts';
import { homeFeed } from '../feeds/home-feed.ts';
import { createFreshness } from '../builds/consistency.ts';
import { companionsOf, createLaneModels, modelsAt, placeOfModels } from './lane-models.ts';
import { removeData } from '../builds/clean-up.ts';

let world: ProjectorWorld;
let live: Build;
beforeAll(async () => {
  world = await openProjectorWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  await world.pool.query(`update projections.live_builds set builds = '{}'`);
  for (const build of await listBuilds(world.pool)) await removeData(world.pool, build, async () => undefined);
  live = (await ensureLiveBuild(world.pool, { projection: follows, storeId: world.store.storeId }))!;
});

const building = (projection: typeof follows | typeof homeFeed) =>
  createBuild(world.pool, { projection, storeId: world.store.storeId, state: 'building' });

describe('the models of a build on Redis', () => {
  it('are those that are new with it until readers are switched, then the live ones, whatever is rebuilt afterwards', async () => {
    const modelsOf = createLaneModels(world.pool, codeVersions);
    const [model, feed] = [await building(follows), await building(homeFeed)];
    expect((await modelsOf(feed)).id('follows')).toBe(model.id);
    expect(await flip(world.pool, [model.id, feed.id])).toBe('flipped');
    expect((await modelsOf(feed)).id('follows')).toBe(model.id);
    const next = await building(follows);
    expect((await modelsOf(feed)).id('follows')).toBe(model.id);
    expect((await companionsOf(world.pool, codeVersions, await building(homeFeed))).id('follows')).toBe(next.id);
  });

  it('are the live ones when a later rebuild begins to build them while it waits to be taken up again', async () => {
    const modelsOf = createLaneModels(world.pool, codeVersions);
    const feed = await building(homeFeed);
    await building(follows);
    expect((await modelsOf(feed)).id('follows')).toBe(live.id);
  });

  it('are read only once they themselves have passed a place, whatever was read before the switch', async () => {
    const next = await building(follows);
    const freshness = createFreshness(world.pool, new Set());
    const resolve = () => resolveBuilds(world.pool, codeVersions);
    const wanted = {
      freshness,
      storeId: world.store.storeId,
      models: ['follows'],
      resolve,
      signal: new AbortController().signal,
    };
    const move = (build: Build, position: Position) =>
      world.pool.query('update projections.checkpoint set position = $2 where build_id = $1', [build.id, position]);
    const [first, second] = [Position.parse('1'.padStart(32, '0')), Position.parse('2'.padStart(32, '0'))];
    for (const build of [live, next]) await move(build, first);
    expect(await flip(world.pool, [next.id])).toBe('flipped');
    await move(live, second);
    let found: number | undefined;
    const asked = modelsAt(wanted, second).then((builds) => {
      found = builds.id('follows');
    });
    expect((await modelsAt(wanted, first)).id('follows')).toBe(next.id);
    expect(found).toBeUndefined();
    await move(next, second);
    await asked;
    expect(found).toBe(next.id);
  });

  it('are asked for again after a server was away, which may have taken them back', async () => {
    const freshness = createFreshness(world.pool, new Set());
    const resolve = () => resolveBuilds(world.pool, codeVersions);
    const wanted = {
      freshness,
      storeId: world.store.storeId,
      models: ['follows'],
      resolve,
      signal: new AbortController().signal,
    };
    const move = (position: Position) =>
      world.pool.query('update projections.checkpoint set position = $2 where build_id = $1', [live.id, position]);
    const [first, second] = [Position.parse('1'.padStart(32, '0')), Position.parse('2'.padStart(32, '0'))];
    await move(second);
    const builds = await modelsAt(wanted, second);
    await move(first);
    let [away, passed] = [true, false];
    const resolveLater = async () => {
      if (!away) return resolve();
      away = false;
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    };
    const waiting = modelsAt({ ...wanted, resolve: resolveLater }, second).then(() => {
      passed = true;
    });
    await expect.poll(() => freshness.heard(builds, world.store.storeId, ['follows'])).toBe(first);
    expect(passed).toBe(false);
    await move(second);
    await waiting;
  });

  it('tell how far they are once they have passed a place, and nothing while they follow another log', async () => {
    const wanted = {
      freshness: createFreshness(world.pool, new Set()),
      storeId: world.store.storeId,
      models: ['follows'],
      resolve: () => resolveBuilds(world.pool, codeVersions),
      signal: new AbortController().signal,
    };
    const [first, second, third] = ['1', '2', '3'].map((digit) => Position.parse(digit.padStart(32, '0')));
    await world.pool.query('update projections.checkpoint set position = $2 where build_id = $1', [live.id, second]);
    expect(await placeOfModels(wanted, first!, third!)).toBe(second);
    const storeId = '22222222-2222-4222-8222-222222222222';
    let looks = 0;
    const resolve = () => {
      looks += 1;
      return wanted.resolve();
    };
    let told: Position | undefined;
    const waiting = placeOfModels({ ...wanted, storeId, resolve }, first!, third!).then((place) => {
      told = place;
    });
    await expect.poll(() => looks).toBeGreaterThan(2);
    expect(told).toBeUndefined();
    await world.pool.query('update projections.checkpoint set store_id = $2 where build_id = $1', [live.id, storeId]);
    await waiting;
    expect(told).toBe(second);
  });
});
