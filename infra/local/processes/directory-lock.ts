import { linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readJsonFile } from '../files.ts';
import { processStamp } from './process-identity.ts';
import { StartError } from '../start-error.ts';

const Owner = z.object({ pid: z.number().int().positive(), stamp: z.string() });
type Owner = z.infer<typeof Owner>;

const PATIENCE_MS = 2_000;
const POLL_MS = 50;

/**
 * Makes this process the only one that runs the stack on a data directory; returns what gives the directory back.
 * A lock whose owner died is taken over; an owner that still lives two seconds later is a StartError that names it.
 */
export function lockDirectory(dataDir: string): () => void {
  mkdirSync(dataDir, { recursive: true });
  const path = join(dataDir, 'owner.json');
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, JSON.stringify({ pid: process.pid, stamp: processStamp(process.pid) ?? '' }), { mode: 0o600 });
  try {
    // A link appears with its content or not at all, and only one of two processes gets it.
    while (!linked(mine, path)) {
      const owner = readJsonFile(path, Owner);
      if (owner !== undefined) setAside(path, owner, dataDir);
    }
  } finally {
    rmSync(mine, { force: true });
  }
  return () => {
    rmSync(path, { force: true });
  };
}

/** The process that runs the stack on a data directory, or undefined when none does. */
export function ownerOf(dataDir: string): number | undefined {
  const owner = readJsonFile(join(dataDir, 'owner.json'), Owner);
  return owner !== undefined && processStamp(owner.pid) === owner.stamp ? owner.pid : undefined;
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Waits for an owner that is about to end: a killed process is not gone before the system has taken it apart. */
function ends(owner: Owner): boolean {
  const deadline = performance.now() + PATIENCE_MS;
  const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));
  while (processStamp(owner.pid) === owner.stamp) {
    if (performance.now() > deadline) return false;
    Atomics.wait(nobodyWakes, 0, 0, POLL_MS);
  }
  return true;
}

function setAside(path: string, owner: Owner, dataDir: string): void {
  if (!ends(owner)) {
    throw new StartError(
      `${dataDir} is in use by process ${owner.pid}: stop it first, or choose another directory with --data-dir`,
    );
  }
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  // Between reading and renaming another process may have done the same and locked: its lock goes back.
  const moved = readJsonFile(aside, Owner);
  if (moved !== undefined && processStamp(moved.pid) === moved.stamp) linked(aside, path);
  rmSync(aside, { force: true });
}
