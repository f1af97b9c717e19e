import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { createBuild, listBuilds, type Build } from '../builds/build-store.ts';
import { follows } from '../models/follows.ts';
import { homeFeed } from '../feeds/home-feed.ts';
import type { LaneProjection } from '../lane-projection.ts';
import { Leases } from '../builds/leases.ts';
import type { PostgresProjection } from '../projection.ts';
import { claimRebuild, planRebuild, type RebuildPlan } from './rebuild-plan.ts';
import { removeData } from '../builds/clean-up.ts';

let world: ProjectorWorld;
let leases: Leases;
beforeAll(async () => {
  world = await openProjectorWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  leases = await Leases.open(world.databaseUrl);
  for (const build of await listBuilds(world.pool)) await removeData(world.pool, build, async () => undefined);
});
afterEach(() => leases.close());

type Projection = PostgresProjection | LaneProjection;

/** What a rebuild that was killed leaves behind. */
const left = (projection: Projection, of: { version?: number; storeId?: string } = {}): Promise<Build> =>
  createBuild(world.pool, {
    projection: { ...projection, version: of.version ?? projection.version },
    storeId: of.storeId ?? world.store.storeId,
    state: 'building',
  });

const removed: string[] = [];
async function plan(...projections: readonly Projection[]): Promise<RebuildPlan> {
  await claimRebuild(leases, projections);
  return planRebuild(
    {
      pool: world.pool,
      storeId: world.store.storeId,
      leases,
      removeKeys: async (prefix) => {
        removed.push(prefix);
      },
    },
    projections,
  );
}

describe('what an interrupted rebuild left', () => {
  it('is taken up, and nothing is said to begin again', async () => {
    const [model, feed] = [await left(follows), await left(homeFeed)];
    const { postgres, lanes } = await plan(follows, homeFeed);
    expect(
      [...postgres, ...lanes].map(({ build, resumed, insteadOf }) => ({ id: build.id, resumed, insteadOf })),
    ).toEqual([
      { id: model.id, resumed: true, insteadOf: undefined },
      { id: feed.id, resumed: true, insteadOf: undefined },
    ]);
  });

  it('is thrown away when another version of the code or another log made it, which the plan says', async () => {
    const old = await left(follows, { version: 99 });
    expect((await plan(follows)).postgres[0]).toMatchObject({
      resumed: false,
      insteadOf: { build: { id: old.id }, why: `it is of version 99, the code has ${String(follows.version)}` },
    });
    for (const build of await listBuilds(world.pool)) await removeData(world.pool, build, async () => undefined);
    await left(follows, { storeId: crypto.randomUUID() });
    expect((await plan(follows)).postgres[0]).toMatchObject({
      resumed: false,
      insteadOf: { why: 'it was made from another log' },
    });
  });

  it('is thrown away on Redis when a model that it was filled from is not taken up', async () => {
    const feed = await left(homeFeed);
    const {
      lanes: [target],
    } = await plan(follows, homeFeed);
    expect(target).toMatchObject({
      resumed: false,
      insteadOf: { build: { id: feed.id }, why: 'follows, which it reads, is built anew' },
    });
    expect(target!.build.id).not.toBe(feed.id);
    expect(removed).toEqual([feed.location]);
  });
});
