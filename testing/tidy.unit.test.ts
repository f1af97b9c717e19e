import { describe, expect, it } from 'vitest';
import { BANS, breaches } from './tidy.ts';
import { sourceFiles } from './source-files.ts';

describe('the house rules', () => {
  it('hold in the project', () => {
    const files = sourceFiles().filter(({ path }) => !path.startsWith('testing/tidy'));
    expect(breaches(files, BANS)).toEqual([]);
  });

  it.each([
    ['domain/a.ts', 'const now = Date.now();'],
    ['domain/a.ts', 'const id = randomUUID();'],
    ['commands/a.ts', 'const key = process.env.MASTER_KEY;'],
    ['infra/a.ts', "export * from './b.ts';"],
    ['domain/a.unit.test.ts', "it.skip('later', () => {});"],
    ['infra/a.ts', "await sql.query<Row>({ text: 'select 1', name: 'one' });"],
    ['infra/a.ts', '// @ts-ignore'],
    ['infra/a.ts', '// FIXME later'],
  ])('catch a breach in %s: %s', (path, text) => {
    expect(breaches([{ path, text: `\n${text}` }], BANS)).toHaveLength(1);
    expect(breaches([{ path, text: `\n${text}` }], BANS)[0]).toContain(`${path}:2:`);
  });
});
