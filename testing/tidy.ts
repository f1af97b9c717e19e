import type { SourceFile } from './architecture.ts';

type Ban = {
  readonly what: RegExp;
  /** What to do instead. */
  readonly instead: string;
  readonly where: (path: string) => boolean;
};

const isTest = (path: string) => path.endsWith('.test.ts');
const mayReadEnv = (path: string) =>
  path === 'infra/process/config.ts' ||
  path.endsWith('/main.ts') ||
  /^(scripts|testing|bench|infra\/local)\//.test(path) ||
  path === 'vitest.config.ts' ||
  isTest(path);

/** House rules that neither the compiler nor the linter knows. */
export const BANS: readonly Ban[] = [
  {
    what: /\bDate\.now\(|\bnew Date\(\)|\brandomUUID\b|\bMath\.random\b|\bperformance\.now\b/,
    instead: 'time and chance arrive in the command',
    where: (path) => path.startsWith('domain/') && !isTest(path),
  },
  {
    what: /\bprocess\.env\b/,
    instead: 'take it from infra/process/config.ts, handed on by parameter',
    where: (path) => !mayReadEnv(path),
  },
  { what: /^export \*/m, instead: 'import the file that defines the thing', where: () => true },
  {
    what: /\b(?:it|test|describe)\.(?:skip|only|todo)\(/,
    instead: 'a test runs or is removed; use skipIf with a reason for a tier that cannot be had',
    where: isTest,
  },
  {
    what: /\bquery(?:<[^(]*>)?\(\{[^}]*\bname\b/,
    instead: 'name statements by queryPrepared, which knows whether a pooler stands in between',
    where: (path) => path !== 'infra/postgres.ts',
  },
  { what: /@ts-(?:ignore|nocheck|expect-error)/, instead: 'give it its type', where: (path) => !isTest(path) },
  { what: /\b(?:FIXME|XXX|HACK)\b/, instead: 'mend it or write an issue', where: () => true },
];

/** Lists each breach as `path:line: what to do instead`. */
export function breaches(files: readonly SourceFile[], bans: readonly Ban[]): string[] {
  return files.flatMap(({ path, text }) =>
    bans
      .filter((ban) => ban.where(path))
      .flatMap((ban) => {
        const at = text.search(ban.what);
        return at < 0 ? [] : [`${path}:${text.slice(0, at).split('\n').length}: ${ban.instead}`];
      }),
  );
}
