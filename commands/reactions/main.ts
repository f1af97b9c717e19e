import type { Position } from '../../domain/position.ts';
import { configOrExit } from '../../infra/process/config.ts';
import { openEventStore } from '../../infra/event-store/event-store.ts';
import { createHealthApp } from '../../infra/http/app.ts';
import { listen, tellOf } from '../../infra/http/server.ts';
import { runProcess } from '../../infra/process/lifecycle.ts';
import { createLog } from '../../infra/process/log.ts';
import { openPool, sessionUrlOf, wayOf } from '../../infra/postgres.ts';
import { startTelemetry } from '../../infra/process/telemetry.ts';
import { openVault } from '../../infra/vault/vault.ts';
import { createBuildResolver } from '../../projections/builds/builds.ts';
import { codeVersions, lanedModels } from '../../projections/catalog.ts';
import { CELEBRITY_MODELS } from '../../projections/queries/celebrity-status.ts';
import { createPoolFreshness } from '../../projections/builds/consistency.ts';
import { MEDIA_FILE_MODELS } from '../../projections/queries/media-files.ts';
import { celebrityStatus, sweepCelebrityStatus } from './accounts/celebrity-status.ts';
import { plantCheckpoints, prepareReactionTables } from './runner/checkpoints.ts';
import { deleteMedia } from './media/delete-media.ts';
import { startFormatWork } from './media/format-work.ts';
import { identityReactions } from './accounts/identity-reactions.ts';
import { whileLeading } from './runner/leadership.ts';
import { openMediaTools } from './media/media-tools.ts';
import { startMediaWork } from './media/media-workers.ts';
import { openMediaQueue } from './media/open-media-queue.ts';
import { processMedia } from './media/process-media.ts';
import { profilePictures } from './media/profile-pictures.ts';
import { publishPosts } from './posts/publish-posts.ts';
import { publishStories } from './posts/publish-stories.ts';
import { PURGE_PATIENCE_MS } from './media/purge-cdn.ts';
import type { Reaction, Sweep } from './reaction.ts';
import { createReactionStates } from './runner/reaction-states.ts';
import { watchQueues } from './reactor-metrics.ts';
import { PATIENCE, runReactions } from './runner/runner.ts';
import { mediaSweeps } from './media/sweep-stores.ts';

// The reactor: makes media ready in every instance, and follows the log with all reactions in the one that leads.
const config = configOrExit(process.env);
const logger = createLog({ process: 'reactor', level: config.LOG_LEVEL });

await runProcess(logger, async (own) => {
  const telemetry = own(
    startTelemetry({ process: 'reactor', otlpEndpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT }),
    (each) => each.shutdown(),
  );
  const pool = own(
    openPool(config.DATABASE_URL, { ...wayOf(config), size: config.DATABASE_POOL_SIZE, name: 'reactor' }),
    (each) => each.end(),
  );
  const vault = await openVault({ pool, masterKey: config.MASTER_KEY });
  const store = own(
    await openEventStore(config.EVENTSTORE_URL, { answerLimitMs: config.EVENTSTORE_ANSWER_LIMIT_MS }),
    (each) => each.close(),
  );
  const { media, ...mediaTools } = openMediaTools(config, logger, own);
  const jobs = openMediaQueue({ config, pool, log: logger });
  const queue = own(jobs.queue, (each) => each.close());
  const stop = new AbortController();
  const builds = createBuildResolver(pool, codeVersions);
  const freshness = createPoolFreshness(pool, lanedModels);
  const passed = (models: readonly string[], limitMs?: number) => async (position: Position) =>
    freshness.waitUntilPassed(
      await builds.resolve(),
      { storeId: store.storeId, position, owners: 'all' },
      models,
      limitMs,
    );
  const purging = {
    passed: passed(MEDIA_FILE_MODELS, PURGE_PATIENCE_MS),
    reached: async () => freshness.reached(await builds.resolve(), store.storeId, MEDIA_FILE_MODELS),
  };
  const deps = { store, keys: vault.keys, pool, log: logger, signal: stop.signal, queue, ...purging, ...mediaTools };
  const celebrities = {
    ...deps,
    read: async () => ({ sql: pool, builds: await builds.resolve() }),
    passed: passed(CELEBRITY_MODELS),
    line: { grantAt: config.CELEBRITY_THRESHOLD, revokeBelow: config.CELEBRITY_REVOKE_BELOW },
  };
  const reactions: readonly Reaction[] = [
    processMedia(deps),
    publishPosts(deps),
    publishStories(deps),
    deleteMedia(deps),
    profilePictures(deps),
    ...identityReactions({ store, vault, pool, builds, freshness }),
    celebrityStatus(celebrities),
  ];
  const sweeps: readonly Sweep[] = [
    ...mediaSweeps({ ...deps, unusedUploadMs: config.UNUSED_UPLOAD_HOURS * 3_600_000 }, media),
    sweepCelebrityStatus(celebrities),
    ...jobs.sweeps,
  ];

  await prepareReactionTables(pool, reactions);
  await plantCheckpoints(pool, store, reactions, config.REACTIONS_FROM);
  const mediaWork = startMediaWork(deps, { concurrency: config.MEDIA_WORKERS }, stop.signal);
  const formatWork = startFormatWork(deps, stop.signal);
  const states = createReactionStates(reactions.map(({ name }) => name));
  const leading = whileLeading({ databaseUrl: sessionUrlOf(config), log: logger, signal: stop.signal }, (signal) => {
    // The lead is lost with its connection, maybe because the server crashed: models may be where they were before.
    freshness.forget();
    return runReactions({ ...deps, states, patience: PATIENCE }, { reactions, sweeps }, signal);
  });
  own(stop, async (each) => {
    each.abort();
    await Promise.all([leading, deps.workers.close().then(() => Promise.all([mediaWork.ended, formatWork]))]);
  });

  own(watchQueues(pool, queue), (each) => {
    each.close();
  });
  const health = {
    event_store: () => store.answers(),
    postgresql: () => pool.query('select 1'),
    object_store: () => media.objects.head('health'),
  };
  const app = createHealthApp({
    log: logger,
    health,
    metrics: (request, response) => {
      telemetry.metricsHandler(request, response);
    },
  });
  const server = own(
    await listen(app, { port: config.REACTOR_PORT, host: config.HOST, onError: tellOf(logger) }),
    (each) => each.close(),
  );
  logger.info({ port: server.port }, 'listening');
});
