/**
 * The tests that say how feeds, their lanes and limits use Redis, and what the whole stack does while it is away. They
 * run a second time on a Redis Cluster. Globs from the project's root; each must match a file.
 */
export const USES_REDIS: readonly string[] = [
  'read-api/feed/*.e2e.test.ts',
  'read-api/feed/cache/*.e2e.test.ts',
  'projections/feeds/{backpressure,fan-out-gate,home-feed,large-audience}.int.test.ts',
  'projections/lanes/{lane-build,lane-feed,lane-ledger,lanes}.int.test.ts',
  'projections/rebuild/servers-killed.int.test.ts',
  'infra/redis/{rate-limit,sorted-indexes}.int.test.ts',
  'write-api/outages.e2e.test.ts',
];

/** Starts a cluster by itself, and so does not run a second time. */
export const ON_A_CLUSTER = 'read-api/feed/cluster.e2e.test.ts';
