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

/** What infra knows of an event: what surrounds it in the log, never what it says. */
const ENVELOPE = [
  'domain/position.ts',
  'domain/recorded-event.ts',
  'domain/event-definition.ts',
  'domain/ids.ts',
  'domain/metadata.ts',
];
/** What an API gives its adapters to implement. */
const PORTS = 'infra/http/services.ts';
/** The domain, and how the log, the stores and the vault are reached. */
const STORES = ['domain/', 'infra/'];
/** How a read model is declared, and what becomes of one that fails. */
const MODEL = [
  ...STORES,
  'projections/projection.ts',
  'projections/lane-projection.ts',
  'projections/lane-keys.ts',
  'projections/failures.ts',
];
/** A model that is fed from the log, from its tables up to its runner. */
const FED_MODEL = [...MODEL, 'projections/builds/', 'projections/runner/'];
const COMMAND = [...STORES, 'commands/handle.ts'];
const REACTION = [...COMMAND, 'projections/', 'commands/reactions/reaction.ts'];
const READER = ['domain/', 'projections/', 'infra/'];

/**
 * The shape in docs/map.md: which room may know which. A file at the top of a folder (a composition root, a catalog)
 * may know all of its rooms. `infra/local` starts the other processes and imports none of them.
 */
export const RULES: readonly Rule[] = [
  { folder: 'domain/', ours: [], packages: ['zod'], node: false },
  { folder: 'media/', ours: [] },

  { folder: 'infra/', ours: ENVELOPE },
  { folder: 'infra/process/', ours: [] },
  { folder: 'infra/http/', ours: ['infra/process/', ...ENVELOPE] },
  { folder: 'infra/redis/', ours: ['infra/process/', PORTS] },
  { folder: 'infra/kafka/', ours: ['infra/process/'] },
  { folder: 'infra/object-store/', ours: ['infra/process/'] },
  { folder: 'infra/event-store/', ours: ['infra/process/', ...ENVELOPE] },
  { folder: 'infra/vault/', ours: ['infra/process/', 'infra/postgres.ts', PORTS, ...ENVELOPE] },
  { folder: 'infra/auth/', ours: ['infra/process/', 'infra/vault/', PORTS, ...ENVELOPE] },
  {
    folder: 'infra/log-archive/',
    ours: ['infra/postgres.ts', 'infra/event-store/', 'infra/object-store/', 'infra/vault/', ...ENVELOPE],
  },
  { folder: 'infra/event-store-node/', ours: ['infra/process/log.ts'] },
  { folder: 'infra/local/', ours: ['infra/'] },

  { folder: 'projections/', ours: STORES },
  { folder: 'projections/models/', ours: MODEL },
  { folder: 'projections/queries/', ours: [...MODEL, 'projections/models/'] },
  { folder: 'projections/feeds/', ours: [...MODEL, 'projections/models/'] },
  { folder: 'projections/builds/', ours: MODEL },
  { folder: 'projections/runner/', ours: [...MODEL, 'projections/builds/'] },
  { folder: 'projections/lanes/', ours: [...FED_MODEL, 'projections/feeds/'] },
  { folder: 'projections/kafka/', ours: [...FED_MODEL, 'projections/lanes/'] },
  { folder: 'projections/status/', ours: [...FED_MODEL, 'projections/lanes/', 'projections/catalog.ts'] },
  {
    folder: 'projections/rebuild/',
    ours: [...FED_MODEL, 'projections/models/', 'projections/lanes/', 'projections/status/', 'projections/catalog.ts'],
  },

  { folder: 'commands/', ours: ['domain/', 'infra/', 'media/', 'projections/'] },
  { folder: 'commands/accounts/', ours: COMMAND },
  { folder: 'commands/relations/', ours: [...COMMAND, 'commands/accounts/'] },
  { folder: 'commands/media/', ours: [...COMMAND, 'media/'] },
  { folder: 'commands/posts/', ours: [...COMMAND, 'media/', 'commands/media/', 'commands/relations/'] },
  { folder: 'commands/comments/', ours: [...COMMAND, 'commands/posts/', 'commands/relations/'] },
  { folder: 'commands/stories/', ours: [...COMMAND, 'commands/relations/'] },
  { folder: 'commands/reactions/', ours: [...REACTION, 'media/', 'commands/'] },
  { folder: 'commands/reactions/runner/', ours: REACTION },
  { folder: 'commands/reactions/accounts/', ours: [...REACTION, 'commands/accounts/', 'commands/relations/'] },
  { folder: 'commands/reactions/posts/', ours: REACTION },
  { folder: 'commands/reactions/media/', ours: [...REACTION, 'media/', 'commands/reactions/runner/'] },

  { folder: 'write-api/', ours: [...READER, 'commands/'] },
  { folder: 'read-api/', ours: READER },
  { folder: 'read-api/feed/cache/', ours: READER },
  { folder: 'read-api/feed/candidates/', ours: [...READER, 'read-api/feed/cache/'] },
  {
    folder: 'read-api/feed/ranking/',
    ours: [...READER, 'read-api/feed/cache/', 'read-api/feed/candidates/'],
  },
  {
    folder: 'read-api/feed/page/',
    ours: [
      ...READER,
      'read-api/cursor.ts',
      'read-api/feed/cache/',
      'read-api/feed/candidates/',
      'read-api/feed/ranking/',
    ],
  },
  { folder: 'cli/', ours: [...READER, 'commands/', 'media/'] },
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
export function importsOf(file: SourceFile): string[] {
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
