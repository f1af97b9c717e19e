import { z } from 'zod';
import { Position, START_OF_LOG } from '../../domain/position.ts';
import { inTransaction, type Pool, type Sql, type Transaction } from '../../infra/postgres.ts';
import type { PostgresProjection } from '../projection.ts';

export const BuildState = z.enum(['building', 'live', 'previous', 'side', 'dropped']);
export type BuildState = z.infer<typeof BuildState>;

/** The event that a runner gave up on after bounded retries. */
export const StoppedAt = z.object({
  eventId: z.string(),
  type: z.string(),
  streamId: z.string(),
  position: z.string(),
  error: z.string(),
  attempts: z.int(),
  at: z.string(),
});
export type StoppedAt = z.infer<typeof StoppedAt>;

const BuildRow = z.object({
  id: z.int(),
  projection: z.string(),
  version: z.int(),
  store: z.enum(['postgres', 'redis']),
  state: BuildState,
  /** The PostgreSQL schema (unquoted) or the Redis key prefix. */
  location: z.string(),
  store_id: z.string(),
  created_at: z.date(),
  state_since: z.date(),
  until_position: Position.nullable(),
  filled: z.boolean(),
  temporary: z.boolean(),
  stopped: StoppedAt.nullable(),
  removed_at: z.date().nullable(),
});

/** One incarnation of a read model. */
export type Build = {
  readonly id: number;
  readonly projection: string;
  readonly version: number;
  readonly store: 'postgres' | 'redis';
  readonly state: BuildState;
  readonly location: string;
  /** The log that it was made from. */
  readonly storeId: string;
  readonly createdAt: Date;
  readonly stateSince: Date;
  /** A side build passes no event behind this place. */
  readonly untilPosition: Position | undefined;
  /** On Redis: the keys are filled, lanes may feed it. */
  readonly filled: boolean;
  readonly stopped: StoppedAt | undefined;
  readonly temporary: boolean;
};

/** The builds that still hold data, oldest first; of one projection when `projection` is given. */
export async function listBuilds(sql: Sql, projection?: string): Promise<Build[]> {
  const { rows } = await sql.query<Record<string, unknown>>(
    'select * from projections.build where removed_at is null and ($1::text is null or projection = $1) order by id',
    [projection ?? null],
  );
  return rows.map((row) => toBuild(BuildRow.parse(row)));
}

function toBuild(row: z.infer<typeof BuildRow>): Build {
  const { id, projection, version, store, state, location, filled, temporary } = row;
  return {
    id,
    projection,
    version,
    store,
    state,
    location,
    filled,
    temporary,
    storeId: row.store_id,
    createdAt: row.created_at,
    stateSince: row.state_since,
    untilPosition: row.until_position ?? undefined,
    stopped: row.stopped ?? undefined,
  };
}

export type NewBuild = {
  readonly projection:
    PostgresProjection | { readonly store: 'redis'; readonly name: string; readonly version: number };
  readonly storeId: string;
  readonly state: 'building' | 'side';
  readonly until?: Position;
  /** Removed by the next sweep once nobody feeds it. */
  readonly temporary?: boolean;
};

/**
 * Makes an empty build at the start of the log, its schema included, in one transaction: a crash leaves all of it or
 * nothing. Fails with a unique violation when the projection has a `building` one already.
 */
export async function createBuild(pool: Pool, build: NewBuild): Promise<Build> {
  return inTransaction(pool, (tx) => createBuildIn(tx, build));
}

/** The same inside a transaction of the caller. */
export async function createBuildIn(
  tx: Transaction,
  { projection, storeId, state, until, temporary = false }: NewBuild,
): Promise<Build> {
  const { rows } = await tx.query<Record<string, unknown>>(
    `with next as (select nextval(pg_get_serial_sequence('projections.build', 'id'))::int as id)
     insert into projections.build (id, projection, version, store, state, location, store_id, until_position, temporary)
     overriding system value
     select id, $1::text, $2::int, $3::text, $4::text, replace($1, '-', '_') || '_' || id, $5::uuid, $6, $7 from next
     returning *`,
    [projection.name, projection.version, projection.store, state, storeId, until ?? null, temporary],
  );
  const build = toBuild(BuildRow.parse(rows[0]));
  await tx.query('insert into projections.checkpoint (build_id, store_id, position) values ($1, $2, $3)', [
    build.id,
    storeId,
    START_OF_LOG,
  ]);
  if (projection.store === 'postgres') {
    await tx.query(`create schema ${quoted(build.location)}`);
    await tx.query(projection.ddl(quoted(build.location)));
  }
  return build;
}

/** A schema name as it must stand in SQL text. */
export function quoted(schema: string): string {
  return `"${schema.replaceAll('"', '""')}"`;
}

/** Notes the event that a build cannot pass; `undefined` lets runners try again. */
export async function setStopped(sql: Sql, buildId: number, stopped: StoppedAt | undefined): Promise<void> {
  await sql.query('update projections.build set stopped = $2 where id = $1', [
    buildId,
    stopped === undefined ? null : JSON.stringify(stopped),
  ]);
}
