import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { USUAL_LIMITS } from '../../testing/limits.ts';
import { createTestRedis, type TestRedis } from '../../testing/redis.ts';
import { createLimits, noLimits } from './rate-limit.ts';
import { openRedis, whenRedisReady, type RedisClient } from './redis.ts';

let server: TestRedis;
let redis: RedisClient;

beforeAll(async () => {
  server = await createTestRedis();
  redis = openRedis(server.url);
  await whenRedisReady(redis, 5_000);
});
afterAll(async () => {
  redis.disconnect();
  await server.close();
});

const small = {
  ...USUAL_LIMITS,
  requests: { capacity: 5, windowMs: 3_600_000 },
  posts: { capacity: 2, windowMs: 3_600_000 },
  failed_logins: { capacity: 3, windowMs: 3_600_000 },
};

describe('rate limits', () => {
  it('let exactly the allowed number of concurrent requests through', async () => {
    const limits = createLimits({ redis, limits: small });
    const ann = randomUUID();
    const states = await Promise.all(Array.from({ length: 20 }, () => limits.take(ann, ['requests'])));
    expect(states.filter((state) => state?.allowed === true)).toHaveLength(5);
    expect(
      states
        .filter((state) => state?.allowed === true)
        .map((state) => state?.remaining)
        .toSorted(),
    ).toEqual([0, 1, 2, 3, 4]);
    expect(states.find((state) => state?.allowed === false)).toMatchObject({
      limit: 5,
      remaining: 0,
      retryAfterSeconds: 720,
    });
  });

  it('count each subject for itself', async () => {
    const limits = createLimits({ redis, limits: { ...USUAL_LIMITS, requests: { capacity: 1, windowMs: 3_600_000 } } });
    const [ann, bob] = [randomUUID(), randomUUID()];
    expect((await limits.take(ann, ['requests']))?.allowed).toBe(true);
    expect((await limits.take(ann, ['requests']))?.allowed).toBe(false);
    expect((await limits.take(bob, ['requests']))?.allowed).toBe(true);
  });

  it('draw from all buckets or from none, and tell of the one that is empty', async () => {
    const limits = createLimits({ redis, limits: small });
    const ann = randomUUID();
    await limits.take(ann, ['requests', 'posts']);
    await limits.take(ann, ['requests', 'posts']);
    expect(await limits.take(ann, ['requests', 'posts'])).toMatchObject({
      allowed: false,
      limit: 2,
      remaining: 0,
      retryAfterSeconds: 1_800,
    });
    expect(await limits.take(ann, ['requests'])).toMatchObject({ allowed: true, limit: 5, remaining: 2 });
  });

  it('fill up again with time', async () => {
    const limits = createLimits({ redis, limits: { ...USUAL_LIMITS, requests: { capacity: 2, windowMs: 200 } } });
    const ann = randomUUID();
    await limits.take(ann, ['requests']);
    await limits.take(ann, ['requests']);
    await expect.poll(async () => (await limits.take(ann, ['requests']))?.allowed, { timeout: 10_000 }).toBe(true);
  });

  it('give a try to log in back when it succeeds', async () => {
    const limits = createLimits({
      redis,
      limits: { ...small, failed_logins_per_address: { capacity: 4, windowMs: 3_600_000 } },
    });
    const attempt = { name: randomUUID(), address: randomUUID() };
    for (let i = 0; i < 10; i += 1) {
      expect((await limits.takeLogin(attempt))?.allowed).toBe(true);
      await limits.giveBackLogin(attempt);
    }
    for (let i = 0; i < 3; i += 1) expect((await limits.takeLogin(attempt))?.allowed).toBe(true);
    expect((await limits.takeLogin(attempt))?.allowed).toBe(false);
  });

  it('bound the tries of one address over all names, and do not charge a name for what its address may not do', async () => {
    const limits = createLimits({
      redis,
      limits: { ...small, failed_logins_per_address: { capacity: 5, windowMs: 3_600_000 } },
    });
    const [address, other] = [randomUUID(), randomUUID()];
    const states = await Promise.all(
      Array.from({ length: 40 }, (_, i) => limits.takeLogin({ name: `name ${i}`, address })),
    );
    expect(states.filter((state) => state?.allowed === true)).toHaveLength(5);
    expect(states.find((state) => state?.allowed === false)).toMatchObject({ limit: 5, remaining: 0 });
    expect((await limits.takeLogin({ name: 'name 39', address: other }))?.allowed).toBe(true);
    const spared = { name: 'spared', address };
    for (let i = 0; i < 10; i += 1) expect((await limits.takeLogin(spared))?.limit).toBe(5);
    for (const name of ['name 0', 'name 1', 'name 2', 'name 3', 'name 4'])
      await limits.giveBackLogin({ name, address });
    for (let i = 0; i < 3; i += 1) expect((await limits.takeLogin(spared))?.allowed).toBe(true);
  });

  it('leave no key behind for ever', async () => {
    const limits = createLimits({ redis, limits: small, prefix: 'forgotten' });
    const ann = randomUUID();
    await limits.take(ann, ['requests']);
    expect(await redis.pttl(`forgotten:{${ann}}:requests`)).toBeGreaterThan(0);
  });

  it.each(['redis://127.0.0.1:1', 'redis://127.0.0.1:1,redis://127.0.0.1:2'])(
    'let everybody through while Redis is away (%s)',
    async (url) => {
      const gone = openRedis(url);
      const limits = createLimits({ redis: gone, limits: small });
      for (let i = 0; i < 10; i += 1) expect(await limits.take('ann', ['requests'])).toBeUndefined();
      gone.disconnect();
    },
  );

  it('are off when they are switched off', async () => {
    expect(await noLimits().take('ann', ['requests'])).toBeUndefined();
    expect(await noLimits().takeLogin({ name: 'ann', address: '127.0.0.1' })).toBeUndefined();
  });
});
