import { defineConfig } from 'vitest/config';
import { ON_A_CLUSTER, USES_REDIS } from './testing/redis-suites.ts';

const exclude = ['node_modules/**', '.data/**'];

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
          include: [...USES_REDIS],
          exclude: [...exclude, ON_A_CLUSTER],
          env: { TEST_REDIS_TOPOLOGY: 'cluster' },
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
