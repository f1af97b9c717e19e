import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';

/** What the files below one folder may import. */
export type Rule = {
  /** A folder, ending in a slash; the longest one that fits a file decides. */
  readonly folder: string;
  /** Folders (ending in a slash) or single files of ours. A folder may always import itself. */
  readonly ours: readonly string[];
  /** npm packages; undefined means any. Node's own modules are allowed unless `node` is false. */
  readonly packages?: readonly string[];
  readonly node?: boolean;
};

/**
 * One line of defence of the shape in docs/map.md; `infra/local` starts the other processes and imports none of them.
 */
export const RULES: readonly Rule[] = [
  { folder: 'domain/', ours: [], packages: ['zod'], node: false },
  { folder: 'media/', ours: [] },
  {
    folder: 'infra/',
    ours: [
      'domain/position.ts',
      'domain/recorded-event.ts',
      'domain/event-definition.ts',
      'domain/ids.ts',
      'domain/metadata.ts',
    ],
  },
  { folder: 'infra/event-store-node/', ours: ['infra/log.ts'] },
  { folder: 'infra/local/', ours: ['infra/'] },
  { folder: 'projections/', ours: ['domain/', 'infra/'] },
  { folder: 'commands/', ours: ['domain/', 'infra/', 'media/', 'projections/'] },
  { folder: 'write-api/', ours: ['domain/', 'commands/', 'projections/', 'infra/'] },
  { folder: 'read-api/', ours: ['domain/', 'projections/', 'infra/'] },
  { folder: 'cli/', ours: ['domain/', 'commands/', 'projections/', 'infra/', 'media/'] },
];

/** A source file with its text; paths are relative to the project's root, with slashes. */
export type SourceFile = { readonly path: string; readonly text: string };

/** Folders where tests and tools live: they may import anything. */
const FREE = ['testing/', 'bench/', 'scripts/', '.ci/'];

/** Says which imports break a rule, and which rules match no file at all (a guard that guards nothing). */
export function violations(files: readonly SourceFile[], rules: readonly Rule[]): string[] {
  const unused = rules.filter((rule) => !files.some((file) => ruleFor(file.path, rules) === rule));
  const broken = files
    .filter((file) => !isTest(file.path))
    .flatMap((file) => {
      const rule = ruleFor(file.path, rules);
      if (rule === undefined)
        return FREE.some((folder) => file.path.startsWith(folder)) || !file.path.includes('/')
          ? []
          : [`${file.path} lies in a folder without a rule`];
      return importsOf(file)
        .filter((target) => !allowed(target, rule))
        .map((target) => `${file.path} must not import ${target}`);
    });
  return [...unused.map((rule) => `the rule for ${rule.folder} matches no file`), ...broken];
}

const isTest = (path: string) => path.endsWith('.test.ts');

function ruleFor(path: string, rules: readonly Rule[]): Rule | undefined {
  return rules.filter((rule) => path.startsWith(rule.folder)).sort((a, b) => b.folder.length - a.folder.length)[0];
}

/** What a file imports: our files as paths from the root, everything else as written. */
function importsOf(file: SourceFile): string[] {
  return ts
    .preProcessFile(file.text, true, true)
    .importedFiles.map(({ fileName }) =>
      fileName.startsWith('.') ? normalize(join(dirname(file.path), fileName)) : fileName,
    );
}

function allowed(target: string, rule: Rule): boolean {
  if (target.startsWith('node:')) return rule.node ?? true;
  if (isOurs(target)) {
    return (
      target.startsWith(rule.folder) ||
      rule.ours.some((entry) => (entry.endsWith('/') ? target.startsWith(entry) : target === entry))
    );
  }
  return rule.packages === undefined || rule.packages.includes(packageOf(target));
}

function packageOf(target: string): string {
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/');
}

const OUR_FOLDERS = [
  'domain/',
  'commands/',
  'projections/',
  'read-api/',
  'write-api/',
  'infra/',
  'cli/',
  'media/',
  'web/',
  ...FREE,
];
const isOurs = (target: string) =>
  OUR_FOLDERS.some((folder) => target.startsWith(folder)) && /\.(?:ts|mjs|js|json|lua)$/.test(target);

/** The files that run when one is imported, itself included: what it imports, and what that imports, but for types. */
export function reachableFrom(files: readonly SourceFile[], start: string): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set([start]);
  for (const path of reached) {
    const file = byPath.get(path);
    const targets = file === undefined ? [] : valueImportsOf(file).filter((target) => byPath.has(target));
    for (const target of targets) reached.add(target);
  }
  return [...reached];
}

function valueImportsOf(file: SourceFile): string[] {
  // Types are erased before the program runs: what stays in the compiled text is what is imported.
  const { outputText } = ts.transpileModule(file.text, {
    compilerOptions: { verbatimModuleSyntax: true, target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext },
  });
  return importsOf({ path: file.path, text: outputText });
}
