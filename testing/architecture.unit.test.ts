import { describe, expect, it } from 'vitest';
import { RULES, violations } from './architecture.ts';
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
    ['infra/a.ts', "import { decide } from '../domain/post.ts';", 'domain/post.ts'],
    ['infra/local/a.ts', "import '../../write-api/main.ts';", 'write-api/main.ts'],
    ['read-api/routes/a.ts', "export { likePost } from '../../commands/like-post.ts';", 'commands/like-post.ts'],
    ['cli/a.ts', "const app = await import('../read-api/app.ts');", 'read-api/app.ts'],
  ])('are broken when %s imports %s', (path, text, target) => {
    expect(violations([...clean, { path, text }], RULES)).toEqual([`${path} must not import ${target}`]);
  });

  it('are reported as worthless when a rule matches no file', () => {
    expect(violations(clean.slice(1), RULES)).toEqual(['the rule for domain/ matches no file']);
  });

  it('do not leave out a new folder', () => {
    expect(violations([...clean, { path: 'helpers/a.ts', text: '' }], RULES)).toEqual(['helpers/a.ts lies in a folder without a rule']);
  });
});
