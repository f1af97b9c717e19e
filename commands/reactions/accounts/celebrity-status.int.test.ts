import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId } from '../../../domain/ids.ts';
import { START_OF_LOG } from '../../../domain/position.ts';
import { streamOf } from '../../../domain/streams.ts';
import { newId } from '../../../infra/ids.ts';
import { accounts } from '../../../projections/models/accounts.ts';
import { createBuildResolver } from '../../../projections/builds/builds.ts';
import { codeVersions } from '../../../projections/catalog.ts';
import { CELEBRITY_MODELS } from '../../../projections/queries/celebrity-status.ts';
import { ensureLiveBuild } from '../../../projections/builds/switch-over.ts';
import { follows } from '../../../projections/models/follows.ts';
import { createFreshness } from '../../../projections/builds/consistency.ts';
import { Runner } from '../../../projections/runner/runner.ts';
import { openContentWorld, type ContentWorld } from '../../../testing/content-world.ts';
import { startReactor } from '../../../testing/reactor.ts';
import {
  celebrityStatus,
  sweepCelebrityStatus,
  type CelebrityLine,
  type CelebrityStatusDeps,
} from './celebrity-status.ts';

let world: ContentWorld;
let runner: Runner;
beforeAll(async () => {
  world = await openContentWorld();
  runner = new Runner({
    ...world,
    limits: { events: 500, bytes: 1e7 },
    attempts: 3,
    firstDelayMs: 1,
    onPoison: async () => 'stop',
  });
  for (const projection of [accounts, follows]) {
    const build = await ensureLiveBuild(world.pool, { projection, storeId: world.store.storeId });
    if (build !== undefined) runner.attach([{ build, projection, position: START_OF_LOG, events: 0 }]);
  }
});
afterAll(async () => {
  await runner.close();
  await world.close();
});

function deps(line: CelebrityLine): CelebrityStatusDeps {
  const builds = createBuildResolver(world.pool, codeVersions, 0);
  const freshness = createFreshness(world.pool, new Set());
  return {
    store: world.store,
    keys: world.keys,
    line,
    read: async () => ({ sql: world.pool, builds: await builds.resolve() }),
    passed: async (position) =>
      freshness.waitUntilPassed(
        await builds.resolve(),
        { storeId: world.store.storeId, position, owners: 'all' },
        CELEBRITY_MODELS,
      ),
  };
}

const follow = async (followee: AccountId, count: number) => {
  const followers = Array.from({ length: count }, () => newId.account());
  for (const follower of followers)
    await world.record(streamOf.follow(follower, followee), {
      type: 'AccountFollowed',
      data: { followerId: follower, followeeId: followee },
    });
  return followers;
};
const unfollow = async (followee: AccountId, followers: readonly AccountId[]) => {
  for (const follower of followers)
    await world.record(streamOf.follow(follower, followee), {
      type: 'FollowEnded',
      data: { followerId: follower, followeeId: followee, reason: 'unfollowed' },
    });
};
const changes = async (account: AccountId) => (await world.types(streamOf.account(account))).slice(1);

describe('celebrity status', () => {
  it('is granted at the line, kept while the count stays above the lower one, and revoked below it', async () => {
    const [ann, ben] = [await world.account(), await world.account()];
    const reactor = await startReactor(world, [celebrityStatus(deps({ grantAt: 5, revokeBelow: 4 }))]);
    const followers = await follow(ann, 4);
    await follow(ben, 4);
    await reactor.caughtUp();
    expect(await changes(ann)).toEqual([]);
    followers.push(...(await follow(ann, 1)));
    await reactor.caughtUp();
    expect(await changes(ann)).toEqual(['CelebrityStatusGranted']);
    await unfollow(ann, followers.splice(0, 1));
    await reactor.caughtUp();
    expect(await changes(ann)).toEqual(['CelebrityStatusGranted']);
    await unfollow(ann, followers.splice(0, 1));
    await reactor.caughtUp();
    await follow(ann, 2);
    await reactor.caughtUp();
    expect(await changes(ann)).toEqual(['CelebrityStatusGranted', 'CelebrityStatusRevoked', 'CelebrityStatusGranted']);
    expect(await changes(ben)).toEqual([]);
    await reactor.stop();
  });

  it('follows changed settings at the next start', async () => {
    const ann = await world.account();
    await follow(ann, 3);
    const strict = deps({ grantAt: 100, revokeBelow: 90 });
    await strict.passed(await world.store.head());
    await sweepCelebrityStatus(strict).sweep(new Date(), new AbortController().signal);
    expect(await changes(ann)).toEqual([]);
    await sweepCelebrityStatus(deps({ grantAt: 3, revokeBelow: 2 })).sweep(new Date(), new AbortController().signal);
    expect(await changes(ann)).toEqual(['CelebrityStatusGranted']);
    await strict.passed(await world.store.head());
    await sweepCelebrityStatus(strict).sweep(new Date(), new AbortController().signal);
    expect(await changes(ann)).toEqual(['CelebrityStatusGranted', 'CelebrityStatusRevoked']);
  });

  it('is left alone for an account that is gone', async () => {
    const nobody = newId.account();
    const reactor = await startReactor(world, [celebrityStatus(deps({ grantAt: 1, revokeBelow: 1 }))]);
    await follow(nobody, 1);
    await reactor.caughtUp();
    expect(await world.types(streamOf.account(nobody))).toEqual([]);
    await reactor.stop();
  });
});
