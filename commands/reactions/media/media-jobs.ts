import { z } from 'zod';
import { MediaId } from '../../../domain/ids.ts';
import { inTransaction, type Pool, type Sql } from '../../../infra/postgres.ts';
import { parkDeadLetter } from '../runner/dead-letters.ts';

/**
 * Media to be made ready: those in line here, and those that were begun, wherever they stood in line. A job leaves it
 * when it is done, or as a dead letter.
 */
export const MEDIA_JOBS_DDL = `
create table if not exists reactions.media_job (
  media_id text collate "C" primary key,
  event_id uuid not null,
  correlation_id text not null,
  traceparent text,
  queued_at timestamptz not null default now(),
  run_at timestamptz not null default now(),
  attempts int not null default 0,
  lease_until timestamptz,
  last_error text
);
-- Tries that ended with an outage: they do not count.
alter table reactions.media_job add column if not exists outages int not null default 0;
create index if not exists media_job_due on reactions.media_job (run_at);`;

export const MEDIA_REACTION = 'process-media';

/** Tries of one job before it becomes a dead letter. */
export const JOB_ATTEMPTS = 3;

/** What leads a job back to where it came from. */
export const JobContext = z.object({ correlationId: z.string(), traceparent: z.string().nullable() });

/**
 * One file to be made ready, and what led to it. `attempts` counts how often it was taken, the present one included,
 * and tells one holder from the next; of these, `outages` were no fault of the job.
 */
export type MediaJob = {
  readonly mediaId: MediaId;
  readonly eventId: string;
  readonly correlationId: string;
  readonly traceparent: string | null;
  readonly attempts: number;
  readonly outages: number;
};

/** A job that nobody has begun. */
export type WantedJob = Omit<MediaJob, 'attempts' | 'outages'>;

/** Puts a job in line; one that stands there already stays as it is. */
export async function queueJob(sql: Sql, { mediaId, eventId, correlationId, traceparent }: WantedJob): Promise<void> {
  await sql.query(
    'insert into reactions.media_job (media_id, event_id, correlation_id, traceparent) values ($1, $2, $3, $4) on conflict do nothing',
    [mediaId, eventId, correlationId, traceparent],
  );
}

const JobRow = z
  .object({
    media_id: MediaId,
    event_id: z.uuid(),
    correlation_id: z.string(),
    traceparent: z.string().nullable(),
    attempts: z.int(),
    outages: z.int(),
  })
  .transform((row): MediaJob => ({
    mediaId: row.media_id,
    eventId: row.event_id,
    correlationId: row.correlation_id,
    traceparent: row.traceparent,
    attempts: row.attempts,
    outages: row.outages,
  }));

/** Which try this is that counts. */
export function tryOf({ attempts, outages }: MediaJob): number {
  return attempts - outages;
}

/**
 * Takes up to `limit` due jobs for `leaseMs`, the longest waiting first. A job whose worker died is due again when its
 * lease runs out, and is a dead letter when that was its last try.
 */
export async function claimJobs(pool: Pool, limit: number, leaseMs: number): Promise<MediaJob[]> {
  return inTransaction(pool, async (tx) => {
    const spent = await tx.query<Record<string, unknown>>(
      'select * from reactions.media_job where attempts - outages >= $1 and lease_until < now() limit $2 for update skip locked',
      [JOB_ATTEMPTS, limit],
    );
    for (const row of spent.rows) await buryJob(tx, JobRow.parse(row), 'the worker died with it');
    const { rows } = await tx.query<Record<string, unknown>>(
      `update reactions.media_job set attempts = attempts + 1, lease_until = now() + $2 * interval '1 millisecond'
       where media_id in (
         select media_id from reactions.media_job
         where run_at <= now() and (lease_until is null or lease_until < now()) and attempts - outages < $3
         order by run_at limit $1 for update skip locked)
       returning *`,
      [limit, leaseMs, JOB_ATTEMPTS],
    );
    return rows.map((row) => JobRow.parse(row));
  });
}

/** Takes a job that stood in line elsewhere for `leaseMs`; undefined when it was begun before and is not done. */
export async function acceptJob(
  sql: Sql,
  { mediaId, eventId, correlationId, traceparent }: WantedJob,
  leaseMs: number,
): Promise<MediaJob | undefined> {
  const { rows } = await sql.query<Record<string, unknown>>(
    `insert into reactions.media_job (media_id, event_id, correlation_id, traceparent, attempts, lease_until)
     values ($1, $2, $3, $4, 1, now() + $5 * interval '1 millisecond') on conflict do nothing returning *`,
    [mediaId, eventId, correlationId, traceparent, leaseMs],
  );
  return rows[0] === undefined ? undefined : JobRow.parse(rows[0]);
}

/** Holds on to a job that takes long. False when somebody else has it by now. */
export async function renewLease(sql: Sql, job: MediaJob, leaseMs: number): Promise<boolean> {
  const renewed = await sql.query(
    "update reactions.media_job set lease_until = now() + $3 * interval '1 millisecond' where media_id = $1 and attempts = $2",
    [job.mediaId, job.attempts, leaseMs],
  );
  return renewed.rowCount === 1;
}

/** Takes a finished job off the queue. */
export async function finishJob(sql: Sql, job: MediaJob): Promise<void> {
  await sql.query('delete from reactions.media_job where media_id = $1', [job.mediaId]);
}

/**
 * Gives a job back whose try an outage or a stop has ended, to be taken again after `pauseMs`: the try does not count,
 * even where the job lost its lease meanwhile.
 */
export async function returnJob(sql: Sql, job: MediaJob, pauseMs = 0): Promise<void> {
  await sql.query(
    `update reactions.media_job set outages = outages + 1,
       lease_until = case when attempts = $2 then null else lease_until end,
       run_at = case when attempts = $2 then now() + $3 * interval '1 millisecond' else run_at end
     where media_id = $1`,
    [job.mediaId, job.attempts, pauseMs],
  );
}

/** Puts a failed job back with a growing pause, or among the dead letters after its last try; says which. */
export async function failJob(
  pool: Pool,
  job: MediaJob,
  failure: { reason: string; pauseMs: number },
): Promise<'again' | 'dead'> {
  if (tryOf(job) >= JOB_ATTEMPTS) {
    await inTransaction(pool, (tx) => buryJob(tx, job, failure.reason));
    return 'dead';
  }
  await pool.query(
    "update reactions.media_job set run_at = now() + $3 * interval '1 millisecond', lease_until = null, last_error = $4 where media_id = $1 and attempts = $2",
    [job.mediaId, job.attempts, failure.pauseMs * 4 ** (tryOf(job) - 1), failure.reason],
  );
  return 'again';
}

async function buryJob(tx: Sql, job: MediaJob, reason: string): Promise<void> {
  const { mediaId, eventId, correlationId, traceparent } = job;
  await parkDeadLetter(tx, {
    reaction: MEDIA_REACTION,
    subject: mediaId,
    eventId,
    reason,
    attempts: tryOf(job),
    context: { correlationId, traceparent },
  });
  await tx.query('delete from reactions.media_job where media_id = $1', [mediaId]);
}

/** Puts a dead letter's job in line again, from its first try. */
export async function requeueJob(
  sql: Sql,
  letter: { subject: string; eventId: string; context: unknown },
): Promise<void> {
  await queueJob(sql, {
    mediaId: MediaId.parse(letter.subject),
    eventId: letter.eventId,
    ...JobContext.parse(letter.context),
  });
}

/** How many jobs wait here or run. */
export async function countJobs(sql: Sql): Promise<number> {
  const { rows } = await sql.query<{ jobs: string }>('select count(*) as jobs from reactions.media_job');
  return Number(rows[0]?.jobs ?? 0);
}
