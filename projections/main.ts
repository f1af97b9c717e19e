import { readConfig } from '../infra/process/config.ts';
import { openEventStore } from '../infra/event-store/event-store.ts';
import { createHealthApp } from '../infra/http/app.ts';
import { listen, tellOf } from '../infra/http/server.ts';
import { runProcess } from '../infra/process/lifecycle.ts';
import { createLog } from '../infra/process/log.ts';
import { openPool, sessionUrlOf, wayOf } from '../infra/postgres.ts';
import { openRedis, whenRedisReady } from '../infra/redis/redis.ts';
import { startTelemetry } from '../infra/process/telemetry.ts';
import { openVault } from '../infra/vault/vault.ts';
import { announceChanges } from './runner/invalidation.ts';
import { watchBackpressure } from './feeds/backpressure.ts';
import { allProjections, codeVersions, laneProjections, postgresProjections } from './catalog.ts';
import { startKafkaEngine } from './kafka/kafka-engine.ts';
import { createLanes } from './lanes/lane-engine.ts';
import { watchStatus } from './status/metrics.ts';
import { projectionsHealth, projectorHealth, type ProjectorParts } from './status/projector-health.ts';
import { removeKeys } from './builds/remove-keys.ts';
import { Runner } from './runner/runner.ts';
import { prepareProjectionTables } from './builds/schema.ts';
import { poisonRule, readSettings } from './builds/settings.ts';
import { Supervisor } from './runner/supervisor.ts';
import { keepSweeping } from './builds/clean-up.ts';

// The projector: feeds every read model from the log, in PostgreSQL by builds, in Redis by lanes.
const config = readConfig(process.env);
const log = createLog({ process: 'projector', level: config.LOG_LEVEL });
const REDIS_LIMIT_MS = 10_000;
const GROUP = { events: 2_000, bytes: 8 * 1024 * 1024 };

await runProcess(log, async (own) => {
  const telemetry = own(
    startTelemetry({ process: 'projector', otlpEndpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT }),
    (one) => one.shutdown(),
  );
  // Leases are locks of a session.
  const databaseUrl = sessionUrlOf(config);
  const pool = own(
    openPool(config.DATABASE_URL, {
      ...wayOf(config),
      size: Math.max(config.DATABASE_POOL_SIZE, postgresProjections.length + 6),
      name: 'projector',
      synchronousCommit: false,
    }),
    (one) => one.end(),
  );
  await prepareProjectionTables(pool);
  const { keys } = await openVault({ pool, masterKey: config.MASTER_KEY });
  const store = own(
    await openEventStore(config.EVENTSTORE_URL, { answerLimitMs: config.EVENTSTORE_ANSWER_LIMIT_MS }),
    (one) => one.close(),
  );
  const redis = own(openRedis(config.REDIS_URL), (one) => {
    one.disconnect();
  });
  await whenRedisReady(redis, REDIS_LIMIT_MS);

  const onPoison = async (projection: string, eventId: string) =>
    poisonRule((await readSettings(pool))(projection), eventId);
  const runner = new Runner({
    pool,
    store,
    keys,
    log,
    limits: GROUP,
    onPoison,
    attempts: 5,
    firstDelayMs: 50,
    alongside: announceChanges,
  });
  const supervisor = own(
    new Supervisor({ pool, databaseUrl, store, log, projections: postgresProjections, runner }),
    (one) => one.close(),
  );
  await supervisor.start();
  const status = own(watchStatus({ pool, store, catalog: allProjections, now: () => new Date() }, log), (one) => {
    one.close();
  });
  const backpressure = watchBackpressure(
    {
      limits: { alert: config.FAN_OUT_LAG_ALERT, active: config.FAN_OUT_LAG_ACTIVE, none: config.FAN_OUT_LAG_NONE },
      forced: config.FAN_OUT === 'auto' ? undefined : config.FAN_OUT,
      lagOf: (projection) => status.latest().find(({ entry }) => entry.name === projection)?.live?.lag.events,
    },
    laneProjections.filter(({ fannedOut }) => fannedOut.length > 0).map(({ name }) => name),
  );
  const kafka = own(startKafkaEngine({ config, pool, databaseUrl, store, keys, log }), (one) => one.close());
  const lanes = own(
    createLanes({
      pool,
      databaseUrl,
      redis,
      store,
      keys,
      log,
      projections: laneProjections,
      versions: codeVersions,
      backpressure,
      burstRate: config.FAN_OUT_BURST_RATE,
      ...kafka.lanes,
    }),
    (one) => one.close(),
  );
  await lanes.start();
  const graceMs = config.BUILD_GRACE_MINUTES * 60_000;
  own(keepSweeping({ pool, graceMs, removeKeys: (prefix) => removeKeys(redis, prefix) }, log), (one) => {
    one.close();
  });

  const parts: ProjectorParts = { pool, store, redis, supervisor, lanes, status };
  const app = createHealthApp({
    log,
    health: { ...projectorHealth(parts), ...kafka.health },
    metrics: (request, response) => {
      telemetry.metricsHandler(request, response);
    },
    pages: { '/health/projections': projectionsHealth(parts) },
  });
  own(await listen(app, { port: config.PROJECTOR_PORT, host: config.HOST, onError: tellOf(log) }), (one) =>
    one.close(),
  );
});
