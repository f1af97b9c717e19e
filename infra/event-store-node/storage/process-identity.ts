import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** Names one run of one process, so that a later process with the same pid is not taken for it. */
export const ProcessIdentitySchema = z.object({
  pid: z.number().int().positive(),
  startedAt: z.string(),
  boot: z.string(),
});

export type ProcessIdentity = z.infer<typeof ProcessIdentitySchema>;

const START_TIME_FIELD = 19;

/** The identity of this process. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startedAt: startTimeOf(process.pid), boot: bootId() };
}

/**
 * Whether that run of that process still goes on. Where the system does not say when a process began, any process with
 * its pid counts.
 */
export function isRunning(identity: ProcessIdentity): boolean {
  return identity.boot === bootId() && hasProcess(identity.pid) && identity.startedAt === startTimeOf(identity.pid);
}

function hasProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/**
 * Clock ticks between boot and start, as Linux counts them; the command name before it may hold spaces and brackets.
 */
function startTimeOf(pid: number): string {
  const stat = readOr(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_TIME_FIELD] ?? '';
}

function bootId(): string {
  return readOr('/proc/sys/kernel/random/boot_id').trim();
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
