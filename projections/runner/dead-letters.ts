import { z } from 'zod';
import { inTransaction, type Pool, type Sql } from '../../infra/postgres.ts';
import { listBuilds, setStopped, type Build } from '../builds/build-store.ts';
import { BUILDS_CHANNEL } from '../builds/leases.ts';

/** An event that a projection could not apply: it stands before it (`stopped`), or went on without it (`parked`). */
export type ProjectionLetter = {
  readonly state: 'stopped' | 'parked';
  readonly projection: string;
  readonly buildId: number;
  readonly eventId: string;
  readonly type: string;
  readonly streamId: string;
  readonly position: string;
  readonly error: string;
  readonly attempts: number;
  readonly at: string;
};

const ParkedRow = z
  .object({
    projection: z.string(),
    build_id: z.int(),
    event_id: z.uuid(),
    type: z.string(),
    stream_id: z.string(),
    position: z.string(),
    error: z.string(),
    attempts: z.int(),
    parked_at: z.date(),
  })
  .transform((row): ProjectionLetter => ({
    state: 'parked',
    projection: row.projection,
    buildId: row.build_id,
    eventId: row.event_id,
    type: row.type,
    streamId: row.stream_id,
    position: row.position,
    error: row.error,
    attempts: row.attempts,
    at: row.parked_at.toISOString(),
  }));

/** What projections stand before, then what they went on without, oldest first, at most `limit` of the latter. */
export async function listProjectionLetters(sql: Sql, limit: number): Promise<ProjectionLetter[]> {
  const stopped = (await listBuilds(sql)).flatMap(stoppedLetter);
  const { rows } = await sql.query<Record<string, unknown>>(
    `select d.projection, d.build_id, d.event_id, d.type, d.stream_id, d.position, d.error, d.attempts, d.parked_at
     from projections.dead_letter d join projections.build b on b.id = d.build_id where b.removed_at is null order by d.parked_at, d.event_id limit $1`,
    [limit],
  );
  return [...stopped, ...rows.map((row) => ParkedRow.parse(row))];
}

function stoppedLetter({ id, projection, stopped }: Build): ProjectionLetter[] {
  return stopped === undefined ? [] : [{ state: 'stopped', projection, buildId: id, ...stopped }];
}

/** Lets the builds of a projection that stand before an event try it again. False when none stands there. */
export async function retryStopped(pool: Pool, projection: string, eventId: string): Promise<boolean> {
  return releaseStopped(pool, { projection, eventId, before: async () => undefined });
}

/**
 * Lets a projection pass over the event that it stands before: the event is tried once more, then parked. False when it
 * stands before another, or none.
 */
export async function skipStopped(pool: Pool, projection: string, eventId: string): Promise<boolean> {
  return releaseStopped(pool, {
    projection,
    eventId,
    before: async (tx) => {
      await tx.query('insert into projections.skip (projection, event_id) values ($1, $2) on conflict do nothing', [
        projection,
        eventId,
      ]);
    },
  });
}

async function releaseStopped(
  pool: Pool,
  { projection, eventId, before }: { projection: string; eventId: string; before: (tx: Sql) => Promise<void> },
): Promise<boolean> {
  return inTransaction(pool, async (tx) => {
    const builds = (await listBuilds(tx, projection)).filter(({ stopped }) => stopped?.eventId === eventId);
    if (builds.length === 0) return false;
    await before(tx);
    for (const { id } of builds) await setStopped(tx, id, undefined);
    await tx.query(`notify ${BUILDS_CHANNEL}`);
    return true;
  });
}
