import { openEventStore } from '../infra/event-store/event-store.ts';
import { createLog } from '../infra/process/log.ts';
import { openPool } from '../infra/postgres.ts';
import { openRedis } from '../infra/redis/redis.ts';
import { allProjections, codeVersions } from '../projections/catalog.ts';
import { rebuild } from '../projections/rebuild/rebuild.ts';
import { prepareProjectionTables } from '../projections/builds/schema.ts';

// Rebuilds every model in a process of its own, for tests that kill it or the servers that it works with; says on
// standard output which builds it resumed. Run as: node testing/rebuild-process.ts <databaseUrl> <eventStoreUrl>
// <redisUrl>

const [databaseUrl = '', eventStoreUrl = '', redisUrl = ''] = process.argv.slice(2);
try {
  const pool = openPool(databaseUrl, { size: 18, name: 'rebuild-process', synchronousCommit: false });
  await prepareProjectionTables(pool);
  const store = await openEventStore(eventStoreUrl);
  const redis = openRedis(redisUrl);
  await rebuild(
    {
      pool,
      databaseUrl,
      store,
      log: createLog({ process: 'test', level: 'silent' }),
      keys: { forAccounts: async () => new Map() },
      versions: codeVersions,
      redis: async () => redis,
    },
    {
      projections: allProjections,
      onPoison: 'stop',
      signal: new AbortController().signal,
      report: () => undefined,
      planned: (plan) => {
        console.log(`resumed ${String([...plan.postgres, ...plan.lanes].filter(({ resumed }) => resumed).length)}`);
      },
    },
  );
  process.exit(0);
} catch (error) {
  console.log(`failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
