import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { readJsonFile, writePrivateFile } from '../files.ts';
import { processStamp } from './process-identity.ts';

const ChildNote = z.object({
  name: z.string(),
  pid: z.number().int().positive(),
  stamp: z.string(),
  stopSignal: z.enum(['SIGTERM', 'SIGINT']),
});
const Notes = z.array(ChildNote);

/** A child process as it is remembered across a `kill -9` of its parent. */
export type ChildNote = z.infer<typeof ChildNote>;

/** The children of this data directory, on disk before they can do harm. */
export type ChildRegistry = {
  /** Remembers a child that was just spawned; one that has ended already is not noted. */
  note: (child: Pick<ChildNote, 'name' | 'pid' | 'stopSignal'>) => void;
  /** Forgets a child that has ended. */
  forget: (pid: number) => void;
  /**
   * Ends what an earlier run left behind, the last started first, and resolves to their names once all are gone.
   * A number that now belongs to another process is left alone.
   */
  endLeftovers: (options?: { patienceMs?: number }) => Promise<string[]>;
};

const POLL_MS = 20;

/** Opens the register in a data directory; it holds what the last run on that directory noted. */
export function openChildRegistry(dataDir: string): ChildRegistry {
  const path = join(dataDir, 'children.json');
  let notes = readJsonFile(path, Notes) ?? [];
  const save = (next: ChildNote[]) => {
    notes = next;
    writePrivateFile(path, JSON.stringify(notes, null, 2));
  };
  return {
    note: ({ name, pid, stopSignal }) => {
      const stamp = processStamp(pid);
      if (stamp !== undefined) save([...notes, { name, pid, stamp, stopSignal }]);
    },
    forget: (pid) => {
      save(notes.filter((note) => note.pid !== pid));
    },
    endLeftovers: async ({ patienceMs = 15_000 } = {}) => {
      const alive = notes.filter(isAlive).reverse();
      for (const leftover of alive) await end(leftover, patienceMs);
      save([]);
      return alive.map((note) => note.name);
    },
  };
}

function isAlive(note: ChildNote): boolean {
  return processStamp(note.pid) === note.stamp;
}

async function end(leftover: ChildNote, patienceMs: number): Promise<void> {
  sendSignal(leftover.pid, leftover.stopSignal);
  if (await hasEnded(leftover, patienceMs)) return;
  // Most children lead a process group of their own: this reaches what they started, too.
  sendSignal(-leftover.pid, 'SIGKILL');
  sendSignal(leftover.pid, 'SIGKILL');
  if (!(await hasEnded(leftover, patienceMs)))
    throw new Error(`${leftover.name} (process ${leftover.pid}), left by an earlier run, does not end`);
}

async function hasEnded(leftover: ChildNote, patienceMs: number): Promise<boolean> {
  const deadline = Date.now() + patienceMs;
  while (isAlive(leftover)) {
    if (Date.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}

/** Signals a process, or its group when the number is negative; one that is gone already is no error. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
