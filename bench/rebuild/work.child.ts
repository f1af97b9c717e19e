import { availableParallelism } from 'node:os';
import { openEventStore } from '../../infra/event-store/event-store.ts';
import { createLog } from '../../infra/process/log.ts';
import { openPool } from '../../infra/postgres.ts';
import { openRedis, whenRedisReady } from '../../infra/redis/redis.ts';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import { openVault } from '../../infra/vault/vault.ts';
import { resolveBuilds } from '../../projections/builds/builds.ts';
import { codeVersions, laneProjections, postgresProjections } from '../../projections/catalog.ts';
import { fillAbsent } from '../../projections/feeds/computed-index.ts';
import { ensureLiveBuild } from '../../projections/builds/switch-over.ts';
import { definedFeeds } from '../../projections/feeds/fan-out.ts';
import { followedCelebrities } from '../../projections/feeds/followed-celebrities.ts';
import { homeFeed, homeFeeds } from '../../projections/feeds/home-feed.ts';
import { BUCKETS, keysOf } from '../../projections/lane-keys.ts';
import { replayThreads } from '../../projections/rebuild/parallel-replay.ts';
import { rebuild } from '../../projections/rebuild/rebuild.ts';
import type { RebuildDeps, RebuildProgress } from '../../projections/rebuild/rebuild-deps.ts';
import { prepareProjectionTables } from '../../projections/builds/schema.ts';
import { storyTray, storyTrays } from '../../projections/feeds/story-tray.ts';
import { verifyLanes } from '../../projections/rebuild/verify-lanes.ts';
import { verifyPostgres } from '../../projections/rebuild/verify.ts';

/**
 * One piece of work of an operator, in a process of its own. Arguments: postgres | warm | redis | verify, event store,
 * database, Redis, master key. Prints what it did as JSON, with the most memory that it had.
 */
const [work = '', eventStoreUrl = '', databaseUrl = '', redisUrl = '', masterKey = ''] = process.argv.slice(2);
const KEYS_PER_STEP = 200;
const EVERYBODYS = [
  { name: homeFeed.name, indexes: definedFeeds(homeFeeds) },
  { name: homeFeed.name, indexes: followedCelebrities },
  { name: storyTray.name, indexes: definedFeeds(storyTrays) },
  { name: storyTray.name, indexes: followedCelebrities },
];

const pool = openPool(databaseUrl, {
  size: postgresProjections.length + 6,
  name: 'bench-rebuild',
  statementTimeoutMs: 600_000,
  synchronousCommit: false,
});
await prepareProjectionTables(pool);
const { keys } = await openVault({ pool, masterKey });
const store = await openEventStore(eventStoreUrl);
const redis = openRedis(redisUrl);
await whenRedisReady(redis, 10_000);
const parallel = { threads: replayThreads(availableParallelism()), eventStoreUrl, databaseUrl, masterKey };
const deps: RebuildDeps = {
  pool,
  databaseUrl,
  store,
  keys,
  log: createLog({ process: 'bench', level: 'silent' }),
  versions: codeVersions,
  redis: async () => redis,
  parallel,
};
const signal = new AbortController().signal;

/** How long each step took, from the first report of it to the first of the next. */
const steps = new Map<string, number>();
let current: { step: string; since: number } | undefined;
function report({ step }: Pick<RebuildProgress, 'step'>): void {
  if (current?.step === step) return;
  const now = performance.now();
  if (current !== undefined) steps.set(current.step, (steps.get(current.step) ?? 0) + (now - current.since) / 1_000);
  current = { step, since: now };
}

switch (work) {
  case 'postgres': {
    const { events, seconds } = await rebuild(deps, {
      projections: postgresProjections,
      onPoison: 'stop',
      signal,
      report,
    });
    tell({ amount: events, seconds });
    break;
  }
  case 'warm':
    tell({ amount: await warm(), seconds: 0 });
    break;
  case 'redis': {
    let filled = 0;
    const { seconds } = await rebuild(deps, {
      projections: laneProjections,
      onPoison: 'stop',
      signal,
      report: (progress) => {
        report(progress);
        if (progress.step === 'filling') filled = progress.done;
      },
    });
    tell({ amount: filled, seconds });
    break;
  }
  case 'verify': {
    const { keys: compared, findings, seconds } = await verifyPostgres(deps, postgresProjections, { signal, report });
    report({ step: 'switching' });
    if (findings.length > 0)
      throw new Error(`verify found ${String(findings.length)} differences, the first ${JSON.stringify(findings[0])}`);
    tell({ amount: compared, seconds: steps.get('comparing') ?? seconds, whole: seconds });
    break;
  }
  case 'verify-redis': {
    const started = performance.now();
    let compared = 0;
    for (const projection of laneProjections) {
      const { keys: some, differences } = await verifyLanes({ ...deps, redis }, projection, {
        signal,
        report: () => undefined,
      });
      if (differences.length > 0)
        throw new Error(`verify of ${projection.name} found ${String(differences.length)} differences`);
      compared += some;
    }
    tell({ amount: compared, seconds: (performance.now() - started) / 1_000 });
    break;
  }
  default:
    throw new Error(`unknown work ${work}`);
}

/** Makes the indexes that everybody's reading would have made: what a rebuild fills is what readers use. */
async function warm(): Promise<number> {
  for (const projection of laneProjections) await ensureLiveBuild(pool, { projection, storeId: store.storeId });
  const builds = await resolveBuilds(pool, codeVersions);
  const { rows } = await pool.query<{ id: string }>(
    `select account_id as id from ${builds.schema('accounts')}.account where status = 'active' order by 1`,
  );
  let made = 0;
  for (const {
    name,
    indexes: { keys: word, entries, define },
  } of EVERYBODYS) {
    const prefix = builds.prefix(name);
    const indexes = createSortedIndexes(redis, { prefix: `${prefix}:`, buckets: BUCKETS });
    const keyOf = keysOf(prefix, word);
    for (let at = 0; at < rows.length; at += KEYS_PER_STEP) {
      const targets = rows.slice(at, at + KEYS_PER_STEP).map(({ id }) => ({ id, key: keyOf(id) }));
      await fillAbsent(indexes, targets, {
        limit: entries,
        compute: (ids) =>
          define({ read: { sql: pool, builds }, indexes, prefix, now: () => new Date() }, ids, new Date()),
      });
      made += targets.length;
    }
  }
  return made;
}

function tell(result: { amount: number; seconds: number; whole?: number }): void {
  const peakMb = process.resourceUsage().maxRSS / 1_024;
  process.stdout.write(`${JSON.stringify({ ...result, peakMb })}\n`, () => process.exit(0));
}
