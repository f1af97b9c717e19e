import { afterAll, beforeAll, expect, it } from 'vitest';
import { listen, type RunningServer } from '../infra/http/server.ts';
import { createTokens } from '../infra/auth/jwt.ts';
import { createMediaAddresses } from '../infra/object-store/media-addresses.ts';
import { guardObjectStore } from '../infra/object-store/object-store-guarded.ts';
import { createS3ObjectStore } from '../infra/object-store/object-store-s3.ts';
import { noLimits } from '../infra/redis/rate-limit.ts';
import { createBuildResolver } from '../projections/builds/builds.ts';
import { codeVersions, lanedModels } from '../projections/catalog.ts';
import { createFreshness } from '../projections/builds/consistency.ts';
import { openReadWorld, type ReadWorld } from '../testing/read-world.ts';
import { createReadApi } from './app.ts';
import { createReader } from './reading.ts';

// A bucket that knows its files and is too busy to give them out, behind the circuit breaker of the real thing.
const SECRET = 'a secret of the tests, long enough for anybody';
let world: ReadWorld;
let bucket: RunningServer;
let api: RunningServer;
beforeAll(async () => {
  world = await openReadWorld();
  const loopback = { port: 0, host: '127.0.0.1', drainLimitMs: 100 };
  bucket = await listen((request, response) => {
    if (request.method === 'HEAD')
      response.writeHead(200, { 'content-type': 'image/webp', 'content-length': '5', etag: '"e"' }).end();
    else
      response
        .writeHead(503, { 'content-type': 'application/xml' })
        .end('<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>slow down</Message></Error>');
  }, loopback);
  const s3 = createS3ObjectStore({
    endpoint: `http://127.0.0.1:${String(bucket.port)}`,
    bucket: 'bucket',
    region: 'us-east-1',
    credentials: { accessKeyId: 'k', secretAccessKey: 's' },
  });
  const reader = createReader({
    sql: world.pool,
    builds: createBuildResolver(world.pool, codeVersions),
    freshness: createFreshness(world.pool, lanedModels),
  });
  const addresses = createMediaAddresses({ publicUrl: undefined, secret: SECRET, now: () => new Date() });
  const objects = guardObjectStore(s3, { retries: 0, failuresToOpen: 1, halfOpenAfterMs: 60_000 });
  api = await listen(
    createReadApi({
      reader,
      objects,
      addresses,
      authenticator: createTokens(SECRET),
      rateLimiter: noLimits(),
      log: world.log,
      health: {},
      feedRoutes: [],
    }),
    loopback,
  );
});
afterAll(async () => {
  await api.close();
  await bucket.close();
  await world.close();
});

it('a file costs a 503 that says when to come again and that no cache keeps, at the first failure and while the circuit is open', async () => {
  const ann = await world.person('ann');
  const photo = await world.medium(ann);
  await world.get('/v1/users/ann', ann);
  for (const circuit of ['closed', 'open']) {
    const answer = await fetch(`http://127.0.0.1:${String(api.port)}/media/media/${photo}/small.webp`);
    expect(answer.status, circuit).toBe(503);
    expect(await answer.json(), circuit).toMatchObject({ code: 'unavailable' });
    expect(answer.headers.get('cache-control'), circuit).toBe('no-store');
    expect(answer.headers.get('etag'), circuit).not.toBe('"e"');
    expect(Number(answer.headers.get('retry-after')), circuit).toBeGreaterThan(0);
  }
});
