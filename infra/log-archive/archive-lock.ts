import type { Pool } from '../postgres.ts';
import { ArchiveError } from './segment.ts';

// Any number; it keeps these advisory locks apart from others in the same database.
const ARCHIVE_CLASS = 7_034;

/**
 * Runs `work` as the only export into an archive: a lock in the database whose vault it exports, which ends with the
 * connection, however the process ends. `work` is told by its signal when the lock is lost. Throws ArchiveError while
 * another export has it.
 */
export async function asOnlyExport<T>(pool: Pool, place: string, work: (lost: AbortSignal) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  const lost = new AbortController();
  const lose = (error: Error) => { lost.abort(new ArchiveError('the export lost its right to write into the archive, because the connection to PostgreSQL broke: run it again', { cause: error })); };
  client.on('error', lose);
  try {
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1, hashtext($2)) as taken', [ARCHIVE_CLASS, place]);
    if (rows[0]?.taken !== true) throw new ArchiveError(`another export writes into ${place} at this moment: wait until it ends, or stop it`);
    return await work(lost.signal);
  } finally {
    client.off('error', lose);
    const given = await client.query('select pg_advisory_unlock($1, hashtext($2))', [ARCHIVE_CLASS, place]).then(() => true, () => false);
    // On a connection that broke or did not answer the lock ends with it: it must not go back to the pool.
    client.release(!given);
  }
}
