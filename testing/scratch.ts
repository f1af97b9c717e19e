import { existsSync, globSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PROJECT_ROOT } from '../infra/local/apps.ts';
import { openChildRegistry, type ChildRegistry } from '../infra/local/processes/child-registry.ts';
import { createChildren, type Children } from '../infra/local/processes/children.ts';
import { lockDirectory, ownerOf } from '../infra/local/processes/directory-lock.ts';

const LOCKING_LIMIT_MS = 10_000;

export type Scratch = {
  directory: string;
  registry: ChildRegistry;
  children: Children;
  /** Ends every process that was noted anywhere below the directory and removes it. */
  dispose: () => Promise<void>;
};

/** Opens a directory of its own below `.data/<kind>/` for this run, and clears away those of runs that were killed. */
export async function openScratch(kind: 'test' | 'bench'): Promise<Scratch> {
  const parent = join(PROJECT_ROOT, '.data', kind);
  mkdirSync(parent, { recursive: true });
  for (const directory of globSync(join(parent, 'run-*'))) {
    if (ownerOf(directory) === undefined && !isBrandNew(directory)) await clear(directory);
  }
  const directory = mkdtempSync(join(parent, 'run-'));
  lockDirectory(directory);
  const registry = openChildRegistry(directory);
  const children = createChildren(directory, registry);
  return {
    directory,
    registry,
    children,
    dispose: async () => {
      await children.close();
      await clear(directory);
    },
  };
}

/** A run that has just made its directory may not have locked it yet; one that had, and is gone, was killed. */
function isBrandNew(directory: string): boolean {
  return (
    !existsSync(join(directory, 'owner.json')) &&
    Date.now() - (statSync(directory, { throwIfNoEntry: false })?.birthtimeMs ?? 0) < LOCKING_LIMIT_MS
  );
}

async function clear(directory: string): Promise<void> {
  for (const file of globSync(join(directory, '**/children.json')))
    await openChildRegistry(dirname(file)).endLeftovers();
  rmSync(directory, { recursive: true, force: true });
}
