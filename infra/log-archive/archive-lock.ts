import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from '../postgres.ts';
import { ArchiveError } from './segment.ts';

// Any number; it keeps these advisory locks apart from others in the same database.
const ARCHIVE_CLASS = 7_034;
const ANSWER_LIMIT_MS = 5_000;

/** The right to write into an archive, as the only one. */
export type ExportRight = {
  /**
   * Asks the connection that holds the lock, which may be gone without having said so. Throws ArchiveError when it does
   * not answer, and ever after: another export may have the lock by now.
   */
  ask(): Promise<void>;
};

/**
 * Runs `work` as the only export into an archive: a lock in the database whose vault it exports, which ends with the
 * connection, however the process ends. `work` asks before it writes what others read. Throws ArchiveError while
 * another export has it.
 */
export async function asOnlyExport<T>(pool: Pool, place: string, work: (right: ExportRight) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let lost: ArchiveError | undefined;
  const lose = (error?: unknown) => {
    lost ??= new ArchiveError(
      'the export lost its right to write into the archive, because the connection to PostgreSQL broke: run it again',
      { cause: error },
    );
  };
  client.on('error', lose);
  try {
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1, hashtext($2)) as taken', [
      ARCHIVE_CLASS,
      place,
    ]);
    if (rows[0]?.taken !== true)
      throw new ArchiveError(`another export writes into ${place} at this moment: wait until it ends, or stop it`);
    return await work({
      ask: async () => {
        if (lost === undefined) await inTime(client.query('select 1')).catch(lose);
        if (lost !== undefined) throw lost;
      },
    });
  } finally {
    client.off('error', lose);
    const given =
      lost === undefined &&
      (await inTime(client.query('select pg_advisory_unlock($1, hashtext($2))', [ARCHIVE_CLASS, place])).then(
        () => true,
        () => false,
      ));
    // On a connection that broke or did not answer the lock ends with it: it must not go back to the pool.
    client.release(!given);
  }
}

// A statement's own limit is the server's, of whom nothing comes any more on a connection that is half gone.
async function inTime(answer: Promise<unknown>): Promise<void> {
  const answered = new AbortController();
  const late = delay(ANSWER_LIMIT_MS, undefined, { signal: answered.signal }).then(() => {
    throw new Error(`no answer within ${String(ANSWER_LIMIT_MS)} ms`);
  });
  try {
    await Promise.race([answer, late]);
  } finally {
    answered.abort();
    late.catch(() => undefined);
    answer.catch(() => undefined);
  }
}
