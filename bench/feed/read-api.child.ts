import { listen } from '../../infra/http/server.ts';
import { KeyWatch } from '../../infra/redis/key-watch.ts';
import { createTokens } from '../../infra/auth/jwt.ts';
import { createLog } from '../../infra/process/log.ts';
import { createMediaAddresses } from '../../infra/object-store/media-addresses.ts';
import { createFsObjectStore } from '../../infra/object-store/object-store-fs.ts';
import { openPool } from '../../infra/postgres.ts';
import { noLimits } from '../../infra/redis/rate-limit.ts';
import { openRedis, whenRedisReady } from '../../infra/redis/redis.ts';
import { startTelemetry } from '../../infra/process/telemetry.ts';
import { createBuildResolver } from '../../projections/builds/builds.ts';
import { codeVersions, lanedModels } from '../../projections/catalog.ts';
import { ChangesListener } from '../../projections/runner/invalidation-listener.ts';
import { createFreshness } from '../../projections/builds/consistency.ts';
import { createReadApi } from '../../read-api/app.ts';
import { assembleFeeds } from '../../read-api/feed/assemble.ts';
import { createPresenter } from '../../read-api/presentation.ts';
import { createReader } from '../../read-api/reading.ts';

// The read API of the feed benchmark, put together as in production, with telemetry: <database> <redis> <token secret>
// <folder> It never sheds load, so that each answer is the whole work: fresh, ranked, with recommendations.
const [database = '', redisUrl = '', secret = '', dir = ''] = process.argv.slice(2);
startTelemetry({ process: 'bench-read-api' });
const pool = openPool(database, { size: 10, name: 'bench-read-api' });
const reader = createReader({
  sql: pool,
  builds: createBuildResolver(pool, codeVersions),
  freshness: createFreshness(pool, lanedModels),
});
const redis = openRedis(redisUrl);
await whenRedisReady(redis, 5_000);
const changes = new ChangesListener(database);
changes.start();
const keys = KeyWatch.over(redis);
const addresses = createMediaAddresses({ publicUrl: undefined, secret, now: () => new Date() });
const app = createReadApi({
  reader,
  addresses,
  objects: createFsObjectStore({ dir, secret, uploadBaseUrl: '', downloadBaseUrl: '' }),
  authenticator: createTokens(secret),
  rateLimiter: noLimits(),
  log: createLog({ process: 'bench', level: 'silent' }),
  health: {},
  feedRoutes: assembleFeeds({
    reader,
    present: createPresenter(addresses),
    primary: pool,
    redis,
    changes,
    ...(keys !== undefined && { keys }),
    superCelebrityFrom: 1_000_000,
    saturation: { now: () => 0 },
    now: () => new Date(),
  }),
});
const server = await listen(app, { port: 0, host: '127.0.0.1' });
console.log(`http://127.0.0.1:${String(server.port)}`);
process.once('SIGTERM', () => {
  process.exit(0);
});
