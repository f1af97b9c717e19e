import { openChildRegistry } from '../infra/local/processes/child-registry.ts';
import { createChildren } from '../infra/local/processes/children.ts';
import { lockDirectory } from '../infra/local/processes/directory-lock.ts';
import { planStorePorts } from '../infra/local/processes/port-plan.ts';
import { ensureSecrets } from '../infra/local/secrets.ts';
import { planStores } from '../infra/local/stores/stores.ts';

/** A program for tests: holds PostgreSQL and Redis open on the data directory it is given, until SIGTERM. */
const dataDir = process.argv[2] ?? '';
const unlock = lockDirectory(dataDir);
const registry = openChildRegistry(dataDir);
const leftovers = await registry.endLeftovers();
const children = createChildren(dataDir, registry);
const { secrets } = ensureSecrets(dataDir);
const { postgres, redis } = planStores({
  dataDir,
  children,
  secrets,
  env: {},
  ports: await planStorePorts(dataDir),
  print: console.error,
});
const pids = await Promise.all(
  [postgres, redis].map(async (store) => ('start' in store ? (await store.start()).pid : 0)),
);
process.once('SIGTERM', () => {
  void children.close().then(unlock);
});
console.log(JSON.stringify({ databaseUrl: postgres.url, redisUrl: redis.url, pids, leftovers }));
