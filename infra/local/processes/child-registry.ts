import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { readJsonFile, writePrivateFile } from '../files.ts';
import { processStamp } from './process-identity.ts';

const ChildKind = z.enum(['program', 'store', 'guard']);
/**
 * What a child is when things are ended: programs go first, then the stores that they work on, then the guard of both.
 */
export type ChildKind = z.infer<typeof ChildKind>;

const ChildNote = z.object({
  name: z.string(),
  kind: ChildKind.default('program'),
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
  note: (child: Pick<ChildNote, 'name' | 'pid' | 'stopSignal'> & { kind?: ChildKind }) => void;
  /** Forgets a child that has ended. */
  forget: (pid: number) => void;
  /**
   * Ends what an earlier run left behind, the last started first, and resolves to their names once all are gone.
   * A number that now belongs to another process is left alone.
   */
  endLeftovers: (options?: { patienceMs?: number }) => Promise<string[]>;
};

const POLL_MS = 20;

const fileOf = (dataDir: string) => join(dataDir, 'children.json');

/** What the register of a data directory holds at this moment. */
export function readChildNotes(dataDir: string): ChildNote[] {
  return readJsonFile(fileOf(dataDir), Notes) ?? [];
}

/** Opens the register in a data directory; it holds what the last run on that directory noted. */
export function openChildRegistry(dataDir: string): ChildRegistry {
  const path = fileOf(dataDir);
  let notes = readChildNotes(dataDir);
  const save = (next: ChildNote[]) => {
    notes = next;
    writePrivateFile(path, JSON.stringify(notes, null, 2));
  };
  return {
    note: ({ name, pid, stopSignal, kind = 'program' }) => {
      const stamp = processStamp(pid);
      if (stamp !== undefined) save([...notes, { name, kind, pid, stamp, stopSignal }]);
    },
    forget: (pid) => {
      save(notes.filter((note) => note.pid !== pid));
    },
    endLeftovers: async ({ patienceMs = 15_000 } = {}) => {
      const alive = notes.filter(isAlive).reverse();
      for (const leftover of alive) await end(leftover, patienceMs);
      save([]);
      return alive.filter(({ kind }) => kind !== 'guard').map((note) => note.name);
    },
  };
}

function isAlive(note: ChildNote): boolean {
  return processStamp(note.pid) === note.stamp;
}

/** Asks a noted process to end, kills it when it does not within its time, and resolves once it is gone. */
export async function end(leftover: ChildNote, patienceMs: number): Promise<void> {
  sendSignal(leftover.pid, leftover.stopSignal);
  if (await hasEnded(leftover, patienceMs)) return;
  kill(leftover);
  if (!(await hasEnded(leftover, patienceMs)))
    throw new Error(`${leftover.name} (process ${leftover.pid}), left by an earlier run, does not end`);
}

/** Ends a process with what it started, since most children lead a process group of their own. */
export function kill({ pid }: ChildNote): void {
  sendSignal(-pid, 'SIGKILL');
  sendSignal(pid, 'SIGKILL');
}

/** Whether a noted process ends within a time. */
export async function hasEnded(leftover: ChildNote, patienceMs: number): Promise<boolean> {
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
