import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sendSignal, type ChildKind, type ChildRegistry } from './child-registry.ts';
import { StartError } from '../start-error.ts';

export type ChildSpec = {
  name: string;
  command: string;
  args: string[];
  env: Record<string, string | undefined>;
  cwd?: string;
  /** What asks it to end in good order; SIGTERM unless said otherwise (PostgreSQL would then wait for its clients). */
  stopSignal?: 'SIGTERM' | 'SIGINT';
  /** How long it may take to end before it is killed. */
  stopLimitMs?: number;
  /**
   * A program of ours that ends by itself when this process is gone, told by the channel between them (`onParentGone`).
   */
  lifeline?: boolean;
  /** In which order what runs is ended: programs first, then the stores that they work on, then the guard. */
  kind?: ChildKind;
  /** Receives every line of output as it comes. */
  onLine?: (line: string) => void;
};

export type Ending = { code: number | null; signal: NodeJS.Signals | null };

export type Child = {
  name: string;
  kind: ChildKind;
  pid: number;
  /** Resolves when the process has ended. */
  ended: Promise<Ending>;
  hasEnded: () => boolean;
  /** The last lines it printed, for the reader of a failure. */
  lastLines: () => string[];
  /** Asks it to end, kills it after its limit, and resolves when it is gone; harmless when called twice. */
  stop: () => Promise<void>;
};

export type Children = {
  /**
   * Starts a process that outlives neither `stop` nor, through the registry, the next start. Throws StartError when it
   * cannot be run.
   */
  start: (spec: ChildSpec) => Promise<Child>;
  /** Where the output of a child is kept. */
  logFile: (name: string) => string;
  /** Refuses further starts, stops programs, the last started first, then stores, and resolves when all are gone. */
  close: () => Promise<void>;
};

const STOP_LIMIT_MS = 18_000;
const KEPT_LINES = 15;
const OUTPUT_LIMIT_MS = 1_000;
const LOG_LIMIT_BYTES = 20_000_000;

/**
 * Starts the processes of one data directory: each is noted in its registry, and its output goes to `logs/<name>.log`.
 */
export function createChildren(dataDir: string, registry: ChildRegistry): Children {
  const logFile = (name: string) => join(dataDir, 'logs', `${name}.log`);
  const running = new Set<Child>();
  let closed = false;
  return {
    logFile,
    start: async (spec) => {
      if (closed) throw new StartError(`${spec.name} is not started: everything is being stopped`);
      const child = await startChild(spec, registry, logFile(spec.name));
      running.add(child);
      void child.ended.then(() => running.delete(child));
      return child;
    },
    close: async () => {
      closed = true;
      const those = (kind: ChildKind) => [...running].filter((child) => child.kind === kind).reverse();
      for (const program of those('program')) await program.stop();
      for (const kind of ['store', 'guard'] as const) await Promise.all(those(kind).map((child) => child.stop()));
    },
  };
}

async function startChild(spec: ChildSpec, registry: ChildRegistry, logFile: string): Promise<Child> {
  const { kind = 'program', stopSignal = 'SIGTERM' } = spec;
  // A process group of its own: a terminal's Ctrl-C reaches the supervisor alone, which then stops everything in order.
  const child = spawn(spec.command, spec.args, {
    env: spec.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', ...(spec.lifeline === true ? ['ipc' as const] : [])],
    ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
  });
  const pid = child.pid;
  if (pid === undefined)
    throw new StartError(`${spec.name}: ${spec.command} cannot be run: ${await spawnFailure(child)}`);
  registry.note({ name: spec.name, pid, stopSignal, kind });
  const kept = keepOutput(child, logFile, spec.onLine);
  let over = false;
  const ended = new Promise<Ending>((resolve) => {
    child.once('exit', (code, signal) => {
      over = true;
      registry.forget(pid);
      // Its last words may still be in the pipe; but a grandchild that keeps the pipe open must not hold us up.
      const finish = () => {
        resolve({ code, signal });
      };
      const limit = setTimeout(finish, OUTPUT_LIMIT_MS);
      child.once('close', () => {
        clearTimeout(limit);
        finish();
      });
    });
  });
  const stop = async () => {
    if (over) return;
    sendSignal(pid, stopSignal);
    const limit = setTimeout(() => {
      sendSignal(-pid, 'SIGKILL');
    }, spec.stopLimitMs ?? STOP_LIMIT_MS);
    await ended;
    clearTimeout(limit);
  };
  return { name: spec.name, kind, pid, ended, hasEnded: () => over, lastLines: () => kept, stop };
}

function spawnFailure(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      resolve(error.message);
    });
  });
}

function keepOutput(child: ChildProcess, logFile: string, onLine?: (line: string) => void): string[] {
  const file = openLog(logFile);
  const kept: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (line) => {
      file.write(`${line}\n`);
      kept.push(line);
      if (kept.length > KEPT_LINES) kept.shift();
      onLine?.(line);
    });
  }
  child.once('close', () => {
    file.end();
  });
  return kept;
}

// The file of an earlier run is kept once, so that logs never fill the disk.
function openLog(path: string) {
  mkdirSync(join(path, '..'), { recursive: true });
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT_BYTES) {
    rmSync(`${path}.1`, { force: true });
    renameSync(path, `${path}.1`);
  }
  const file = createWriteStream(path, { fd: openSync(path, 'a', 0o600) });
  // A full disk must not bring the supervisor down with its logs: the terminal still shows what is wrong.
  file.on('error', () => undefined);
  return file;
}
