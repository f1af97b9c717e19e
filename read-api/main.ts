import { createAuthenticator } from '../infra/auth/authenticator.ts';
import { configOrExit } from '../infra/process/config.ts';
import { listen, tellOf } from '../infra/http/server.ts';
import { createTokens } from '../infra/auth/jwt.ts';
import { KeyWatch } from '../infra/redis/key-watch.ts';
import { runProcess } from '../infra/process/lifecycle.ts';
import { createLog } from '../infra/process/log.ts';
import { createMediaAddresses } from '../infra/object-store/media-addresses.ts';
import { openMediaStore } from '../infra/object-store/media-store.ts';
import { openPool, sessionUrlOf, wayOf } from '../infra/postgres.ts';
import { createLimits, limitsOf, noLimits } from '../infra/redis/rate-limit.ts';
import { openRedis } from '../infra/redis/redis.ts';
import { watchSaturation } from '../infra/process/saturation.ts';
import { startTelemetry } from '../infra/process/telemetry.ts';
import { createSessions, SESSIONS_ENDED } from '../infra/vault/vault-sessions.ts';
import { createWishList } from '../infra/redis/work-queue.ts';
import { createBuildResolver } from '../projections/builds/builds.ts';
import { codeVersions, lanedModels } from '../projections/catalog.ts';
import { ChangesListener } from '../projections/runner/invalidation-listener.ts';
import { createPoolFreshness } from '../projections/builds/consistency.ts';
import { FORMAT_WISHES } from '../projections/queries/media-files.ts';
import { createReadApi } from './app.ts';
import { assembleFeeds } from './feed/assemble.ts';
import { createPresenter } from './presentation.ts';
import { createReader } from './reading.ts';

// The read API: answers every GET from the read models, and serves the media files.
const config = configOrExit(process.env);
const log = createLog({ process: 'read-api', level: config.LOG_LEVEL });

await runProcess(log, async (own) => {
  const telemetry = own(
    startTelemetry({ process: 'read-api', otlpEndpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT }),
    (one) => one.shutdown(),
  );
  const primary = own(
    openPool(config.DATABASE_URL, { ...wayOf(config), size: config.DATABASE_POOL_SIZE, name: 'read-api' }),
    (one) => one.end(),
  );
  // Builds and checkpoints are asked of the server that answers the reads, so that a replica's lag counts.
  const pool =
    config.DATABASE_READ_URL === undefined
      ? primary
      : own(
          openPool(config.DATABASE_READ_URL, { ...wayOf(config), size: config.DATABASE_POOL_SIZE, name: 'read-api' }),
          (one) => one.end(),
        );
  const builds = createBuildResolver(pool, codeVersions);
  const freshness = createPoolFreshness(pool, lanedModels);
  const reader = createReader({ sql: pool, builds, freshness });
  const fileReader =
    pool === primary
      ? reader
      : createReader({
          sql: primary,
          builds: createBuildResolver(primary, codeVersions),
          freshness: createPoolFreshness(primary, lanedModels),
        });
  const redis = own(openRedis(config.REDIS_URL), (one) => {
    one.disconnect();
  });
  const { objects } = openMediaStore(config);
  own(objects, (one) => one.close());
  const addresses = createMediaAddresses({
    publicUrl: config.PUBLIC_URL,
    secret: config.JWT_SECRET,
    now: () => new Date(),
  });
  // A replica has not yet what the primary announces.
  const changes = pool === primary ? own(new ChangesListener(sessionUrlOf(config)), (one) => one.close()) : undefined;
  changes?.onChanges((told) => {
    if (told === 'all') freshness.forget();
  });
  changes?.start();
  // On a connection of its own, so that it is told of feeds and of nothing else.
  const feedRedis = own(openRedis(config.REDIS_URL), (one) => {
    one.disconnect();
  });
  const watch = KeyWatch.over(feedRedis);
  if (watch !== undefined) own(watch, (one) => one.close());
  const feeds = assembleFeeds({
    reader,
    primary,
    ...(changes !== undefined && { changes }),
    ...(watch !== undefined && { keys: watch }),
    present: createPresenter(addresses),
    redis: feedRedis,
    superCelebrityFrom: config.SUPER_CELEBRITY_THRESHOLD,
    saturation: own(watchSaturation(), (one) => {
      one.close();
    }),
    now: () => new Date(),
  });
  const ended = own(new ChangesListener(sessionUrlOf(config), SESSIONS_ENDED), (one) => one.close());
  ended.start();
  const formatWishes = createWishList(redis, { name: FORMAT_WISHES });
  const app = createReadApi({
    reader,
    fileReader,
    objects,
    // Without Redis nobody hears of it, and clients go on with what there is.
    onWish: (wish) => {
      formatWishes.add(wish).catch(() => undefined);
    },
    addresses,
    authenticator: createAuthenticator(createTokens(config.JWT_SECRET), createSessions(primary), { ended }),
    rateLimiter: config.RATE_LIMITS === 'off' ? noLimits() : createLimits({ redis, limits: limitsOf(config) }),
    feedRoutes: feeds,
    log,
    trustedProxies: config.TRUSTED_PROXIES,
    health: {
      postgresql: () => primary.query('select from vault.session limit 0'),
      read_models: async () => {
        const live = await builds.resolve();
        for (const name of codeVersions.keys()) live.id(name);
      },
      redis: () => redis.ping(),
    },
    metrics: (request, response) => {
      telemetry.metricsHandler(request, response);
    },
  });
  const server = own(
    await listen(app, { port: config.READ_API_PORT, host: config.HOST, onError: tellOf(log) }),
    (one) => one.close(),
  );
  log.info({ port: server.port }, 'listening');
});
