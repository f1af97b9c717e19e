import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Log } from '../../../infra/process/log.ts';

/** Any fixed number of ours: the advisory lock of the one reactor that follows the log. */
const LEADER_LOCK = 7_320_462;
const POLL_MS = 500;
const HEARTBEAT_MS = 5_000;

/**
 * Runs `work` whenever this process is the leading reactor, again after each loss, until `signal`. The lock is
 * PostgreSQL's for one session: it falls with the connection, and `work` is then told to stop through its own signal.
 */
export async function whileLeading(
  deps: { databaseUrl: string; log: Log; signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { log, signal } = deps;
  while (!signal.aborted) {
    try {
      await leadOnce(deps, work);
    } catch (error) {
      log.error({ err: error }, 'lost the lead of the reactions');
    }
    await pause(POLL_MS, signal);
  }
}

async function leadOnce(
  { databaseUrl, log, signal }: { databaseUrl: string; log: Log; signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'reactor-leader',
    connectionTimeoutMillis: 5_000,
    query_timeout: HEARTBEAT_MS,
    keepAlive: true,
  });
  const lost = new AbortController();
  client.on('error', () => {
    lost.abort();
  });
  client.on('end', () => {
    lost.abort();
  });
  const until = AbortSignal.any([signal, lost.signal]);
  const heartbeat = setInterval(() => {
    client.query('select 1').catch(() => {
      lost.abort();
    });
  }, HEARTBEAT_MS);
  try {
    await client.connect();
    if (!(await takeLock(client, until))) return;
    log.info('leading the reactions');
    await work(until);
  } finally {
    clearInterval(heartbeat);
    await client.end().catch(() => undefined);
  }
}

/**
 * Takes the lead at once, so that no reactor runs until `release`; undefined when one does. For work that must not be
 * reacted to.
 */
export async function tryLead(databaseUrl: string): Promise<{ release(): Promise<void> } | undefined> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'no-reactor',
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  await client.connect();
  const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [LEADER_LOCK]);
  if (rows[0]?.taken === true) return { release: () => client.end() };
  await client.end();
  return undefined;
}

async function takeLock(client: pg.Client, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [LEADER_LOCK]);
    if (rows[0]?.taken === true) return true;
    await pause(POLL_MS, signal);
  }
  return false;
}

/** Waits, but no longer than until `signal`. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
