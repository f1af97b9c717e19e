import { describe, expect, it } from 'vitest';
import type { ReadableLog } from '../infra/event-store/event-store.ts';
import type { PostgresProjection } from '../projections/projection.ts';
import type { RebuildDeps } from '../projections/rebuild/rebuild-deps.ts';
import { reachableFrom, RULES, violations } from './architecture.ts';
import { sourceFiles } from './source-files.ts';

const clean = RULES.map((rule) => ({ path: `${rule.folder}a.ts`, text: '' }));

describe('the arrows between folders', () => {
  it('hold in the project', () => {
    expect(violations(sourceFiles(), RULES)).toEqual([]);
  });

  it.each([
    ['domain/a.ts', "import { openPool } from '../infra/postgres.ts';", 'infra/postgres.ts'],
    ['domain/a.ts', "import { randomUUID } from 'node:crypto';", 'node:crypto'],
    ['domain/a.ts', "import { Redis } from 'ioredis';", 'ioredis'],
    ['projections/a.ts', "import type { Handled } from '../commands/handle.ts';", 'commands/handle.ts'],
    [
      'projections/models/a.ts',
      "import { sees } from '../queries/viewer-rules.ts';",
      'projections/queries/viewer-rules.ts',
    ],
    [
      'projections/builds/a.ts',
      "import type { Fed } from '../runner/apply-batch.ts';",
      'projections/runner/apply-batch.ts',
    ],
    ['infra/process/a.ts', "import type { RedisClient } from '../redis/redis.ts';", 'infra/redis/redis.ts'],
    ['infra/a.ts', "import { decide } from '../domain/post.ts';", 'domain/post.ts'],
    ['infra/local/a.ts', "import '../../write-api/main.ts';", 'write-api/main.ts'],
    [
      'read-api/routes/a.ts',
      "export { likePost } from '../../commands/posts/like-post.ts';",
      'commands/posts/like-post.ts',
    ],
    ['cli/a.ts', "const app = await import('../read-api/app.ts');", 'read-api/app.ts'],
  ])('are broken when %s imports %s', (path, text, target) => {
    expect(violations([...clean, { path, text }], RULES)).toEqual([`${path} must not import ${target}`]);
  });

  it('are reported as worthless when a rule matches no file', () => {
    expect(violations(clean.slice(1), RULES)).toEqual(['the rule for domain/ matches no file']);
  });

  it('do not leave out a new folder', () => {
    expect(violations([...clean, { path: 'helpers/a.ts', text: '' }], RULES)).toEqual([
      'helpers/a.ts lies in a folder without a rule',
    ]);
  });
});

describe('a read model', () => {
  // What reactions act by: commands, messages, files, caches and the vault. The log has to be opened by somebody.
  const EFFECTS = [
    'commands/',
    'media/',
    'write-api/',
    'cli/',
    'infra/kafka/',
    'infra/object-store/',
    'infra/vault/',
    'infra/auth/',
  ];
  // It only tells which errors of an object store are outages.
  const HARMLESS = 'infra/object-store/s3-outage.ts';
  const effects = (paths: readonly string[]) =>
    paths.filter((path) => path !== HARMLESS && EFFECTS.some((folder) => path.startsWith(folder)));

  it('reaches nothing that reactions act by', () => {
    const files = sourceFiles();
    const reached = reachableFrom(files, 'projections/catalog.ts');
    expect(reached).toContain('projections/models/posts.ts');
    expect(effects(reached)).toEqual([]);
    const acting = effects(files.map(({ path }) => path));
    expect(EFFECTS.filter((folder) => !acting.some((path) => path.startsWith(folder)))).toEqual([]);
    expect(reached).toContain(HARMLESS);
    const opens = files
      .filter(({ text }) => /\b(?:openEventStore|EventStoreDBClient)\b/.test(text))
      .map(({ path }) => path);
    expect(opens.filter((path) => path.startsWith('projections/') && reached.includes(path))).toEqual([]);
    expect(opens).toContain('projections/main.ts');
  });

  it('would be found out, however far away the import stands', () => {
    const planted = [
      {
        path: 'projections/catalog.ts',
        text: "import { posts } from './models/posts.ts';\nimport type { Cdn } from '../infra/kafka/kafka.ts';\nexport const all = [posts];",
      },
      { path: 'projections/models/posts.ts', text: "export { purge as posts } from '../helper.ts';" },
      {
        path: 'projections/helper.ts',
        text: "import { webhookCdn } from '../infra/object-store/cdn.ts';\nexport const purge = webhookCdn;",
      },
      { path: 'infra/object-store/cdn.ts', text: '' },
      { path: 'infra/kafka/kafka.ts', text: '' },
    ];
    expect(effects(reachableFrom(planted, 'projections/catalog.ts'))).toEqual(['infra/object-store/cdn.ts']);
  });

  it('is fed and rebuilt from a log that it cannot append to, by type', () => {
    type Given = Parameters<PostgresProjection['apply']>[number] | RebuildDeps['store'];
    // @ts-expect-error: neither what apply is given nor what a rebuild is given has a way to append.
    const append = (given: Given) => given.append;
    const read = (log: RebuildDeps['store']): ReadableLog => log;
    expect([append, read]).toHaveLength(2);
  });
});
