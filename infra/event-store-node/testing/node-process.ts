import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** An event store that runs as a process of its own, as `npm run eventstore` starts it. */
export interface NodeProcess {
  readonly url: string;
  readonly process: ChildProcess;
  /** Sends the signal and waits for the end; gives the exit code, null after a signal that it did not handle. */
  stop(signal: NodeJS.Signals): Promise<number | null>;
}

/** What a process that ended by itself left behind. */
export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

/**
 * Starts the event store process and waits until it says that it is ready. Rejects with its error output if it ends
 * first.
 */
export async function startNodeProcess(args: readonly string[]): Promise<NodeProcess> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  for await (const line of createInterface(child.stdout)) {
    const url = /event store ready: (\S+)/.exec(line)?.[1];
    if (url !== undefined) return { url, process: child, stop: (signal) => stop(child, signal) };
  }
  throw new Error(`the event store did not start: ${Buffer.concat(errors).toString()}`);
}

/**
 * An event store process of which nobody takes note when it ends: it stays in the system's list, as a zombie, until
 * `end`.
 */
export interface UnwatchedNodeProcess {
  readonly pid: number;
  end(): Promise<void>;
}

/** Starts the event store process below a parent that never asks after its children, and waits until it is ready. */
export async function startUnwatchedNodeProcess(args: readonly string[]): Promise<UnwatchedNodeProcess> {
  const script = '"$@" & echo "pid $!"; exec sleep 600';
  const parent = spawn('sh', ['-c', script, 'sh', process.execPath, MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let pid = 0;
  for await (const line of createInterface(parent.stdout)) {
    pid = Number(/^pid (\d+)$/.exec(line)?.[1] ?? pid);
    if (line.includes('event store ready') && pid > 0) {
      return {
        pid,
        end: async () => {
          const ended = once(parent, 'exit');
          parent.kill('SIGKILL');
          await ended;
        },
      };
    }
  }
  throw new Error('the event store did not start');
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
  return child.exitCode;
}

/** Runs the event store process until it ends by itself. */
export async function runNodeProcess(args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  await once(child, 'close');
  return { exitCode: child.exitCode, ...output };
}
