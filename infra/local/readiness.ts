import { setTimeout as delay } from 'node:timers/promises';
import type { Child, Children } from './processes/children.ts';
import { StartError } from './start-error.ts';
import { loggedTrouble } from './terminal.ts';

/** A private server on 127.0.0.1, as PostgreSQL and Redis are started here. */
export type ServerOptions = {
  children: Children;
  /** Path of the program. */
  program: string;
  /** Where its data live; made when it is missing. */
  directory: string;
  port: number;
  /** Without one, everybody on this machine may connect. */
  password?: string;
  /** Settings on top of the defaults. */
  settings?: Record<string, string>;
};

export type Probe = {
  children: Children;
  /** How people call it. */
  title: string;
  limitMs: number;
  /** Asks once: `ready`, or what stands in the way. */
  ask: () => Promise<string>;
};

const POLL_MS = 30;

/**
 * Resolves to the child once it says it is ready. Throws StartError with its last words when it ends before that, and
 * with its last answer (after stopping it) when `limitMs` have passed.
 */
export async function whenReady(child: Child, { children, title, limitMs, ask }: Probe): Promise<Child> {
  const log = children.logFile(child.name);
  const deadline = Date.now() + limitMs;
  let answer = 'no answer';
  while (Date.now() < deadline) {
    if (child.hasEnded()) throw new StartError(`${title} ended while starting: ${await lastWords(child)} (${log})`);
    answer = await ask();
    if (answer === 'ready') return child;
    await delay(POLL_MS);
  }
  await child.stop();
  throw new StartError(`${title} was not ready within ${limitMs / 1000} s (${answer}): see ${log}`);
}

/**
 * What a process of ours logged as its trouble says most; for a crash of Node that is the line above the stack that
 * names an error.
 */
async function lastWords(child: Child): Promise<string> {
  await child.ended;
  const lines = child.lastLines();
  const logged = lines.map(loggedTrouble).findLast((trouble) => trouble !== undefined);
  return logged ?? lines.find((line) => /error|fatal/i.test(line))?.trim() ?? lines.at(-1) ?? 'it printed nothing';
}

/** The message of whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}
