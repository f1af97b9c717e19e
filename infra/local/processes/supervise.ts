import { setTimeout as delay } from 'node:timers/promises';
import type { Child, Ending } from './children.ts';
import { StartError, describeFailure } from '../start-error.ts';

export type Supervised = {
  name: string;
  /** Ends the process for good and resolves when it is gone; harmless when called twice. */
  stop: () => Promise<void>;
};

export type SuperviseOptions = {
  /** Starts the process and resolves once it is ready. */
  start: () => Promise<Child>;
  /** Told when it ends by itself and when it is back. */
  say: (line: string) => void;
  /** Once it is aborted nothing is started again, and what comes up late is stopped. */
  signal?: AbortSignal;
  /** Waits between attempts; a parameter for tests. */
  backoffMs?: Backoff;
};

/**
 * The first wait, the longest, and how long a process has to run before a new trouble begins with the first wait again.
 */
export type Backoff = { first: number; most: number; steady: number };

const BACKOFF_MS: Backoff = { first: 500, most: 30_000, steady: 60_000 };

/**
 * Starts a process and starts it again whenever it ends by itself, waiting twice as long after each failure up to a
 * limit; one that ran for a minute waits only the first time again. Rejects when the first start fails, or comes after
 * the signal.
 */
export async function supervise(name: string, options: SuperviseOptions): Promise<Supervised> {
  const stopping = new AbortController();
  const current = { child: await options.start() };
  if (options.signal?.aborted === true) {
    await current.child.stop();
    throw new StartError(`${name} is not started: everything is being stopped`);
  }
  const signal = AbortSignal.any([stopping.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  void keepAlive(name, { options, current, signal });
  return {
    name,
    stop: async () => {
      stopping.abort();
      await current.child.stop();
    },
  };
}

type Watch = { options: SuperviseOptions; current: { child: Child }; signal: AbortSignal };

async function keepAlive(name: string, { options, current, signal }: Watch): Promise<void> {
  const { first, most, steady } = options.backoffMs ?? BACKOFF_MS;
  let wait = first;
  while (!signal.aborted) {
    const startedAt = performance.now();
    const ending = await current.child.ended;
    if (signal.aborted) return;
    if (performance.now() - startedAt >= steady) wait = first;
    options.say(`${name} ended (${describeEnding(ending)}); starting it again in ${wait / 1000} s`);
    let back: Child | undefined;
    while (back === undefined && (await paused(wait, signal))) {
      wait = Math.min(wait * 2, most);
      back = await attempt(options);
    }
    if (back === undefined) return;
    current.child = back;
    // The order to stop may have come while it was starting, and stopped only the process before it.
    if (signal.aborted) await back.stop();
    else options.say(`${name} is back`);
  }
}

async function attempt(options: SuperviseOptions): Promise<Child | undefined> {
  try {
    return await options.start();
  } catch (error) {
    options.say(describeFailure(error));
    return undefined;
  }
}

async function paused(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}

function describeEnding({ code, signal }: Ending): string {
  return signal === null ? `exit code ${code}` : signal;
}
