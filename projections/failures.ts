import { z } from 'zod';
import { isStoreDenial, isStoreOutage, OutcomeUnknownError } from '../infra/event-store/event-store.ts';
import type { Log } from '../infra/process/log.ts';
import { sqlStateOf } from '../infra/postgres.ts';
import { reasonOf } from '../infra/process/reason.ts';
import { isObjectStoreAway } from '../infra/object-store/s3-outage.ts';

// Connection lost, out of resources, shutting down, disk trouble; a conflict with another transaction; a failover that
// left us on a read-only server.
const OUTAGE_CLASSES = new Set(['08', '40', '53', '58']);
const OUTAGE_STATES = new Set(['55P03', '57P01', '57P02', '57P03', '57P05', '25006']);
const OUTAGE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
const OUTAGE_MESSAGE =
  /connection terminated|connection error|timeout exceeded when trying to connect|client was closed|cannot use a pool after/i;

// Redis is away, starting, failing over, moving slots, or did not answer in time. A cluster's client follows
// redirections as long as the others name a master that is away, and then gives up.
const REDIS_OUTAGE =
  /connection is closed|isn't writeable|command timed out|max retries per request|^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|READONLY|BUSY|OOM|NOREPLICAS|UNBLOCKED)\b|failed to refresh slots|none of startup nodes|too many cluster redirections|cluster isn't ready/i;

const Failure = z.object({ code: z.unknown(), message: z.unknown(), cause: z.unknown() }).partial().catch({});

/**
 * Whether an error says that a server is away or busy, which time cures, and not that an event cannot be applied. An
 * outage is waited for without end; anything else counts against the event that met it.
 */
export function isOutage(error: unknown): boolean {
  const state = sqlStateOf(error);
  if (state !== undefined) return OUTAGE_STATES.has(state) || OUTAGE_CLASSES.has(state.slice(0, 2));
  const { code, message, cause } = Failure.parse(error);
  if (isStoreAway(error) || (typeof code === 'string' && OUTAGE_CODES.has(code))) return true;
  if (typeof message === 'string' && saysOutage(message)) return true;
  return cause !== undefined && cause !== error && isOutage(cause);
}

function isStoreAway(error: unknown): boolean {
  return error instanceof OutcomeUnknownError || isStoreOutage(error) || isObjectStoreAway(error);
}

function saysOutage(message: string): boolean {
  return OUTAGE_MESSAGE.test(message) || REDIS_OUTAGE.test(message);
}

/** One line that tells an operator what went wrong. */
export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Logs what work waits for: an outage without a stack, as a warning, or as an error when somebody has to do something
 * before it ends; anything else with its stack.
 */
export function logTrouble(log: Log, error: unknown, facts: Readonly<Record<string, unknown>>, message: string): void {
  const told = isOutage(error) ? { reason: reasonOf(error), ...facts } : { err: error, ...facts };
  if (isStoreDenial(error)) log.error(told, message);
  else log.warn(told, message);
}
