import { globSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ON_A_CLUSTER, USES_REDIS } from './redis-suites.ts';

/** The globs of a pattern with its braces opened up, so that one misspelt name is found among others. */
function opened(pattern: string): string[] {
  const [whole, names] = /\{([^}]+)\}/.exec(pattern) ?? [];
  return whole === undefined || names === undefined
    ? [pattern]
    : names.split(',').map((name) => pattern.replace(whole, name));
}

it('names only suites that exist, so that no move takes one off the cluster unseen', () => {
  const globs = [...USES_REDIS, ON_A_CLUSTER].flatMap(opened);
  expect(globs.filter((glob) => globSync(glob).length === 0)).toEqual([]);
  expect(globs.length).toBeGreaterThan(USES_REDIS.length);
});
