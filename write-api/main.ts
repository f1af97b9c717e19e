import { LRUCache } from 'lru-cache';
import { noteEmptyLog } from '../commands/reactions/runner/checkpoints.ts';
import { videoSupport } from '../commands/media/video-support.ts';
import { createAuthenticator } from '../infra/auth/authenticator.ts';
import { configOrExit } from '../infra/process/config.ts';
import { openEventStore } from '../infra/event-store/event-store.ts';
import { listen, tellOf } from '../infra/http/server.ts';
import { createTokens } from '../infra/auth/jwt.ts';
import { runProcess } from '../infra/process/lifecycle.ts';
import { createLog } from '../infra/process/log.ts';
import { createMediaAddresses } from '../infra/object-store/media-addresses.ts';
import { openMediaStore } from '../infra/object-store/media-store.ts';
import { createPasswords } from '../infra/auth/passwords.ts';
import { openPool, sessionUrlOf, wayOf } from '../infra/postgres.ts';
import { createLimits, limitsOf, noLimits } from '../infra/redis/rate-limit.ts';
import { openRedis } from '../infra/redis/redis.ts';
import { startTelemetry } from '../infra/process/telemetry.ts';
import { openVault } from '../infra/vault/vault.ts';
import { SESSIONS_ENDED } from '../infra/vault/vault-sessions.ts';
import { createBuildResolver } from '../projections/builds/builds.ts';
import { codeVersions } from '../projections/catalog.ts';
import { ChangesListener } from '../projections/runner/invalidation-listener.ts';
import { createPoolFreshness } from '../projections/builds/consistency.ts';
import { createWriteApi } from './app.ts';
import { contentRoutes } from './content-routes.ts';
import { identityRoutes } from './identity-routes.ts';
import { createOwnCounts } from './own-counts.ts';
import { isWriteRefusal } from './problem.ts';
import { uploadHandler } from './upload-handler.ts';

const SWEEP_MS = 3_600_000;

const config = configOrExit(process.env);
const log = createLog({ process: 'write-api', level: config.LOG_LEVEL });

await runProcess(log, async (own) => {
  const telemetry = own(
    startTelemetry({ process: 'write-api', otlpEndpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT }),
    (each) => each.shutdown(),
  );
  const pool = own(
    openPool(config.DATABASE_URL, { ...wayOf(config), size: config.DATABASE_POOL_SIZE, name: 'write-api' }),
    (each) => each.end(),
  );
  const vault = await openVault({ pool, masterKey: config.MASTER_KEY });
  const store = own(
    await openEventStore(config.EVENTSTORE_URL, { answerLimitMs: config.EVENTSTORE_ANSWER_LIMIT_MS }),
    (each) => each.close(),
  );
  await noteEmptyLog(pool, store);
  const media = openMediaStore(config);
  own(media.objects, (each) => each.close());
  const redis = own(openRedis(config.REDIS_URL), (each) => {
    each.disconnect();
  });
  const limits = config.RATE_LIMITS === 'off' ? noLimits() : createLimits({ redis, limits: limitsOf(config) });
  const addresses = createMediaAddresses({
    publicUrl: config.PUBLIC_URL,
    secret: config.JWT_SECRET,
    now: () => new Date(),
  });
  const tokens = createTokens(config.JWT_SECRET);
  const passwords = await createPasswords();
  const ended = own(new ChangesListener(sessionUrlOf(config), SESSIONS_ENDED), (each) => each.close());
  ended.start();
  const counts = createOwnCounts({
    sql: pool,
    builds: createBuildResolver(pool, codeVersions),
    freshness: createPoolFreshness(pool, new Set()),
    storeId: store.storeId,
  });
  const app = createWriteApi({
    routes: [
      ...identityRoutes({
        ...vault,
        store,
        passwords,
        tokens,
        limits,
        counts,
        holders: new LRUCache({ max: 100_000 }),
      }),
      ...contentRoutes({
        log: { store, keys: vault.keys },
        objects: media.objects,
        addresses,
        takesVideos: videoSupport(config.VIDEO_UPLOADS),
        counts,
      }),
    ],
    extras: media.kind === 'files' ? [uploadHandler(media.objects)] : [],
    authenticator: createAuthenticator(tokens, vault.sessions, { ended }),
    rateLimiter: limits,
    idempotency: vault.idempotency(isWriteRefusal),
    storeId: store.storeId,
    log,
    trustedProxies: config.TRUSTED_PROXIES,
    health: { event_store: () => store.answers(), postgresql: () => pool.query('select 1'), redis: () => redis.ping() },
    metrics: (request, response) => {
      telemetry.metricsHandler(request, response);
    },
  });
  own(
    setInterval(() => {
      vault.sweep().catch((error: unknown) => {
        log.error({ err: error }, 'the vault was not swept');
      });
    }, SWEEP_MS),
    clearInterval,
  );
  const server = own(
    await listen(app, { port: config.WRITE_API_PORT, host: config.HOST, onError: tellOf(log) }),
    (each) => each.close(),
  );
  log.info({ port: server.port }, 'listening');
});
