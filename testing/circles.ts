import { importsOf, type SourceFile } from './architecture.ts';

/**
 * The files that import each other in a circle, types included, each circle as the sorted list of its files. Found as
 * the strongly connected parts of the import graph (Tarjan, 1972).
 */
export function circles(files: readonly SourceFile[]): string[][] {
  const targets = new Map(files.map((file) => [file.path, importsOf(file)]));
  const seen = new Map<string, { index: number; low: number; open: boolean }>();
  const open: string[] = [];
  const found: string[][] = [];

  const visit = (path: string) => {
    const own = { index: seen.size, low: seen.size, open: true };
    seen.set(path, own);
    open.push(path);
    for (const target of targets.get(path) ?? []) {
      if (!targets.has(target)) continue;
      const known = seen.get(target) ?? visit(target);
      if (known.open) own.low = Math.min(own.low, known.low);
    }
    if (own.low === own.index) close(path);
    return own;
  };
  const close = (path: string) => {
    const part = open.splice(open.indexOf(path));
    for (const member of part) {
      const state = seen.get(member);
      if (state !== undefined) state.open = false;
    }
    if (part.length > 1) found.push(part.sort());
  };

  for (const path of targets.keys()) if (!seen.has(path)) visit(path);
  return found;
}
