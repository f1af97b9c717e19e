import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { workerAnswer } from './worker-protocol.ts';
import type { WorkerAnswer, WorkerJob } from './worker-protocol.ts';

/** How a worker ended. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** One child process that decodes pictures. */
export interface WorkerProcess {
  readonly pid: number;
  /** Resolves when the worker takes jobs; rejects when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves when the process is gone. */
  readonly ended: Promise<WorkerEnd>;
  /** Hands the worker a job. An unwritable pipe shows in `ended`. */
  send(job: WorkerJob): void;
  /** Ends the process at once. */
  kill(): void;
}

/**
 * Starts a worker. It gets none of this process's environment, because it reads hostile bytes and needs no secret,
 * and few threads and allocator arenas, because the pool scales by processes.
 */
export function startWorkerProcess(maxRssBytes: number, onAnswer: (answer: WorkerAnswer) => void): WorkerProcess {
  const child = fork(new URL('./worker-main.ts', import.meta.url), [JSON.stringify({ maxRssBytes })], {
    serialization: 'advanced',
    execArgv: ['--max-old-space-size=256'],
    env: { UV_THREADPOOL_SIZE: '2', MALLOC_ARENA_MAX: '2', NODE_NO_WARNINGS: '1' },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const { pid } = child;
  const ended = endOf(child);
  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (message) => {
      const answer = workerAnswer.parse(message);
      if (answer.kind === 'ready') resolve();
      else onAnswer(answer);
    });
    ended.then(({ code, signal }) => {
      reject(new Error(`A media worker ended before it was ready (${signal ?? String(code)})`));
    }, reject);
  });
  ready.catch(() => undefined);
  return {
    pid: pid ?? 0,
    ready,
    ended,
    send: (job) => {
      child.send(job, () => undefined);
    },
    kill: () => {
      child.kill('SIGKILL');
    },
  };
}

async function endOf(child: ChildProcess): Promise<WorkerEnd> {
  if (child.pid === undefined) {
    const [cause] = (await once(child, 'error')) as unknown[];
    throw new Error('A media worker could not be started', { cause });
  }
  // Failed sends and kills of a dead child are no news: its end is.
  child.on('error', () => undefined);
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      resolve({ code, signal });
    });
  });
}
