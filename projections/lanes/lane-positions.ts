import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { Position } from '../../domain/position.ts';
import { inTransaction, type Pool, type Sql } from '../../infra/postgres.ts';
import { LANES } from '../lane-keys.ts';

/** Where a lane of a build stands, and under which epoch this process holds it. */
export type HeldLane = { readonly lane: number; readonly epoch: number; readonly position: Position };

const LaneRow = z.object({ lane: z.int(), epoch: z.coerce.number().int(), position: Position });

/**
 * Makes the lanes of a new build, all at `position`: everything up to there is in the models that readers compute from.
 * Lanes that exist stay.
 */
export async function createLanes(sql: Sql, build: { id: number; storeId: string }, position: Position): Promise<void> {
  await sql.query(
    `insert into projections.lane (build_id, lane, store_id, position) select $1, lane, $2, $3 from generate_series(0, ${LANES - 1}) as lane
     on conflict do nothing`,
    [build.id, build.storeId, position],
  );
}

/** Takes over some lanes of a build: their epochs rise, so that writes of whoever had them are refused from now on. */
export async function takeLanes(sql: Sql, buildId: number, lanes: readonly number[]): Promise<HeldLane[]> {
  const { rows } = await sql.query<Record<string, unknown>>(
    'update projections.lane set epoch = epoch + 1 where build_id = $1 and lane = any($2::int[]) returning lane::int as lane, epoch, position',
    [buildId, lanes],
  );
  return rows.map((row) => LaneRow.parse(row));
}

/**
 * Names the life of the server from one crash to the next; of a crash of any process of it, or of a standby that took
 * over, it knows too.
 */
export async function readIncarnation(sql: Sql): Promise<string> {
  await sql.query('insert into projections.incarnation default values on conflict do nothing');
  const { rows } = await sql.query<{ id: string }>('select id from projections.incarnation');
  // Emptied between the two: none of this name, so that nothing is stored.
  return rows[0]?.id ?? randomUUID();
}

/** Lanes of a build, and the incarnation of the server that everything behind their positions was read from. */
export type LanesOf = { readonly buildId: number; readonly incarnation: string };

/**
 * Puts lanes where they are now, those alone that are still held under the epoch, and none after a crash; returns how
 * many that were.
 */
export async function moveLanes(
  sql: Sql,
  { buildId, incarnation }: LanesOf,
  lanes: readonly HeldLane[],
): Promise<number> {
  if (lanes.length === 0) return 0;
  const { rowCount } = await sql.query(
    `update projections.lane l set position = m.position, moved_at = now()
     from unnest($2::int[], $3::bigint[], $4::text[]) as m (lane, epoch, position)
     where l.build_id = $1 and l.lane = m.lane and l.epoch = m.epoch and exists (select from projections.incarnation where id = $5)`,
    [
      buildId,
      lanes.map(({ lane }) => lane),
      lanes.map(({ epoch }) => epoch),
      lanes.map(({ position }) => position),
      incarnation,
    ],
  );
  return rowCount ?? 0;
}

/** Whether this process still holds a lane under its epoch. */
export async function holdsLane(
  sql: Sql,
  buildId: number,
  { lane, epoch }: Pick<HeldLane, 'lane' | 'epoch'>,
): Promise<boolean> {
  const { rows } = await sql.query('select 1 from projections.lane where build_id = $1 and lane = $2 and epoch = $3', [
    buildId,
    lane,
    epoch,
  ]);
  return rows.length === 1;
}

/** The earliest checkpoint of some PostgreSQL builds, read on the primary. */
export async function earliestCheckpoint(sql: Sql, buildIds: readonly number[]): Promise<Position> {
  const { rows } = await sql.query<Record<string, unknown>>(
    'select min(position) as position from projections.checkpoint where build_id = any($1::int[])',
    [buildIds],
  );
  return Position.parse(rows[0]?.['position']);
}

/** An event that an operator let a build pass over. */
export type Parked = {
  readonly buildId: number;
  readonly projection: string;
  readonly event: { id: string; streamId: string; type: string; position: Position };
  readonly error: string;
  readonly attempts: number;
};

/** Puts an event among the dead letters. */
export async function parkEvent(pool: Pool, { buildId, projection, event, error, attempts }: Parked): Promise<void> {
  await inTransaction(pool, (tx) =>
    tx.query(
      `insert into projections.dead_letter (build_id, event_id, projection, stream_id, type, position, error, attempts)
     values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
      [buildId, event.id, projection, event.streamId, event.type, event.position, error, attempts],
    ),
  );
}
