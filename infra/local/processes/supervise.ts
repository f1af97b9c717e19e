import { setTimeout as delay } from 'node:timers/promises';
import type { Child, Ending } from './children.ts';
import { describeFailure } from '../start-error.ts';

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
  /** Waits between attempts; a parameter for tests. */
  backoffMs?: { first: number; most: number };
};

const BACKOFF_MS = { first: 500, most: 30_000 };
/** One that ran this long before it ended starts again at once, not after the wait of an earlier trouble. */
const STEADY_MS = 60_000;

/**
 * Starts a process and starts it again whenever it ends by itself, waiting twice as long after each failure up to a
 * limit. Rejects when the first start fails.
 */
export async function supervise(name: string, options: SuperviseOptions): Promise<Supervised> {
  const stopping = new AbortController();
  const current = { child: await options.start() };
  void keepAlive(name, { options, current, signal: stopping.signal });
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
  const { first, most } = options.backoffMs ?? BACKOFF_MS;
  let wait = first;
  while (!signal.aborted) {
    const startedAt = Date.now();
    const ending = await current.child.ended;
    if (signal.aborted) return;
    if (Date.now() - startedAt > STEADY_MS) wait = first;
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
