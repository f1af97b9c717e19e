import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../infra/ids.ts';
import { happened } from '../../testing/projection-spec.ts';
import { eventually, openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { createBuild, quoted, type Build } from '../builds/build-store.ts';
import { readCheckpoints } from '../builds/checkpoints.ts';
import { listProjectionLetters, retryStopped, skipStopped } from './dead-letters.ts';
import { follows } from '../models/follows.ts';
import type { PostgresProjection } from '../projection.ts';
import { Runner } from './runner.ts';
import { poisonRule, readSettings } from '../builds/settings.ts';

let world: ProjectorWorld;
beforeAll(async () => {
  world = await openProjectorWorld();
});
afterAll(() => world.close());

let mended: boolean;
let fragile: PostgresProjection;
let build: Build;
let made = 0;

const poison = newId.account();
const follow = (followerId = newId.account()) =>
  happened('AccountFollowed', { followerId, followeeId: newId.account() });

/**
 * Feeds the build from its checkpoint until it stops or `until` holds, as a projector does after each decision of an
 * operator.
 */
async function feed(until: () => Promise<boolean>): Promise<void> {
  const onPoison = async (projection: string, eventId: string) =>
    poisonRule((await readSettings(world.pool))(projection), eventId);
  const runner = new Runner({
    pool: world.pool,
    keys: world.keys,
    store: world.store,
    log: world.log,
    limits: { events: 100, bytes: 1e7 },
    attempts: 2,
    firstDelayMs: 1,
    onPoison,
  });
  const checkpoint = (await readCheckpoints(world.pool, [build.id])).get(build.id)!;
  runner.attach([{ build, projection: fragile, position: checkpoint.position, events: checkpoint.events }]);
  await eventually('the build has come as far as it can', until);
  await runner.close();
}

const letters = async () =>
  (await listProjectionLetters(world.pool, 100)).filter(({ buildId }) => buildId === build.id);
const isStopped = async () => (await letters()).some(({ state }) => state === 'stopped');
const followRows = async () =>
  (await world.pool.query<{ n: number }>(`select count(*)::int as n from ${quoted(build.location)}.follow`)).rows[0]!.n;
const stoppedEvent = async () => (await letters())[0]!.eventId;

beforeEach(async () => {
  mended = false;
  made += 1;
  fragile = {
    ...follows,
    name: `fragile-${String(made)}`,
    apply: async (tx, schema, events) => {
      if (!mended && events.some((event) => event.type === 'AccountFollowed' && event.data.followerId === poison))
        throw new Error('cannot be applied');
      await follows.apply(tx, schema, events);
    },
  };
  await world.append(follow(), follow(poison), follow());
  build = await createBuild(world.pool, { projection: fragile, storeId: world.store.storeId, state: 'side' });
  await feed(isStopped);
});

describe('an event that stops a projection', () => {
  it('is listed with what went wrong', async () => {
    expect(await letters()).toMatchObject([
      { state: 'stopped', projection: fragile.name, type: 'AccountFollowed', error: 'cannot be applied', attempts: 2 },
    ]);
  });

  it('is applied when it is tried again after the cause is mended', async () => {
    mended = true;
    expect(await retryStopped(world.pool, fragile.name, await stoppedEvent())).toBe(true);
    const end = await world.store.head();
    await feed(async () => (await readCheckpoints(world.pool, [build.id])).get(build.id)?.position === end);
    expect(await letters()).toEqual([]);
  });

  it('stops the projection again when nothing was mended', async () => {
    const eventId = await stoppedEvent();
    await retryStopped(world.pool, fragile.name, eventId);
    await feed(isStopped);
    expect(await stoppedEvent()).toBe(eventId);
  });

  it('alone is passed over when it is skipped, and the next one stops the projection again', async () => {
    const before = await followRows();
    const eventId = await stoppedEvent();
    expect(await skipStopped(world.pool, fragile.name, eventId)).toBe(true);
    await world.append(follow(poison));
    await feed(isStopped);
    expect(await letters()).toMatchObject([{ state: 'stopped' }, { state: 'parked', eventId }]);
    expect((await letters())[0]!.eventId).not.toBe(eventId);
    expect(await followRows()).toBeGreaterThan(before);
  });

  it('is neither tried nor skipped under another name or id', async () => {
    const eventId = await stoppedEvent();
    expect(await retryStopped(world.pool, 'follows', eventId)).toBe(false);
    expect(await skipStopped(world.pool, fragile.name, crypto.randomUUID())).toBe(false);
    expect(await isStopped()).toBe(true);
  });
});
