import { defineConfig } from 'vitest/config';

const exclude = ['node_modules/**', '.data/**'];

/** What says how feeds, their lanes and limits use Redis, and what the whole stack does while it is away. */
const USES_REDIS = [
  'read-api/feed/*.e2e.test.ts',
  'projections/{fan-out-gate,home-feed,large-audience,lanes,lane-build,lane-feed,lane-ledger,backpressure,servers-killed}.int.test.ts',
  'infra/{sorted-indexes,rate-limit}.int.test.ts',
  'write-api/outages.e2e.test.ts',
];
/** Starts a cluster by itself. */
const ON_A_CLUSTER = 'read-api/feed/cluster.e2e.test.ts';

/**
 * The tier of a test is its suffix: unit (pure, milliseconds), int (real stores), e2e (the whole stack over HTTP). What
 * uses Redis runs a second time, on a Redis Cluster.
 */
export default defineConfig({
  test: {
    pool: 'forks',
    allowOnly: false,
    passWithNoTests: false,
    projects: [
      { test: { name: 'unit', include: ['**/*.unit.test.ts'], exclude, testTimeout: 10_000 } },
      { test: { name: 'int', include: ['**/*.int.test.ts'], exclude, testTimeout: 180_000, hookTimeout: 120_000 } },
      { test: { name: 'e2e', include: ['**/*.e2e.test.ts'], exclude, testTimeout: 240_000, hookTimeout: 240_000 } },
      {
        test: {
          name: 'cluster',
          include: USES_REDIS,
          exclude: [...exclude, ON_A_CLUSTER],
          env: { TEST_REDIS_TOPOLOGY: 'cluster' },
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
