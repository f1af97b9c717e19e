import { globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PROJECT_ROOT } from '../infra/local/apps.ts';
import { openChildRegistry, type ChildRegistry } from '../infra/local/child-registry.ts';
import { createChildren, type Children } from '../infra/local/children.ts';
import { lockDirectory, ownerOf } from '../infra/local/directory-lock.ts';

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
    // One without an owner may be a run that has just made its directory and not locked it yet.
    const started = globSync(join(directory, 'owner.json')).length > 0;
    if (started && ownerOf(directory) === undefined) await clear(directory);
  }
  const directory = mkdtempSync(join(parent, 'run-'));
  lockDirectory(directory);
  const registry = openChildRegistry(directory);
  const children = createChildren(directory, registry);
  return {
    directory, registry, children,
    dispose: async () => {
      await children.close();
      await clear(directory);
    },
  };
}

async function clear(directory: string): Promise<void> {
  for (const file of globSync(join(directory, '**/children.json'))) await openChildRegistry(dirname(file)).endLeftovers();
  rmSync(directory, { recursive: true, force: true });
}
