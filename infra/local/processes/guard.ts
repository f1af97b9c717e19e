import { PROJECT_ROOT } from '../apps.ts';
import { end, hasEnded, kill, readChildNotes } from './child-registry.ts';
import type { Child, Children } from './children.ts';

/** How long programs may take to end by themselves once their parent is gone, and stores once they are asked to. */
const PATIENCE_MS = { programs: 8_000, stores: 18_000 };

/**
 * Starts the process that ends the others of a data directory when this one is gone without having done so. It has to
 * be the first: a later start on the directory ends what is left in reverse order, and the guard must not outlive the
 * register that it reads.
 */
export function startGuard(dataDir: string, children: Children): Promise<Child> {
  return children.start({
    name: 'guard',
    kind: 'guard',
    lifeline: true,
    command: process.execPath,
    cwd: PROJECT_ROOT,
    env: { PATH: process.env['PATH'] },
    args: ['infra/local/processes/guard-main.ts', '--data-dir', dataDir],
  });
}

/**
 * Ends what the register of a data directory holds after its owner is gone: programs, which notice it themselves, are
 * killed when they take too long; then stores are asked to end in good order, so that nothing is cut off that is being
 * written. Leaves the register as it is: by now it may belong to another start.
 */
export async function endOrphans(dataDir: string, patienceMs = PATIENCE_MS): Promise<void> {
  const notes = readChildNotes(dataDir);
  await Promise.all(
    notes
      .filter(({ kind }) => kind === 'program')
      .map(async (program) => {
        if (await hasEnded(program, patienceMs.programs)) return;
        kill(program);
        await hasEnded(program, patienceMs.programs);
      }),
  );
  await Promise.all(notes.filter(({ kind }) => kind === 'store').map((store) => end(store, patienceMs.stores)));
}
