import { z } from 'zod';
import { Position } from '../../domain/position.ts';
import type { Sql } from '../../infra/postgres.ts';

/** How far a build has come. `events` counts the events of the log up to `position`, handled or not. */
export type Checkpoint = {
  readonly buildId: number;
  readonly storeId: string;
  readonly position: Position;
  readonly events: number;
};

/** A build was made from another log than the one that is connected: its positions mean nothing here. */
export class StoreMismatchError extends Error {
  override readonly name = 'StoreMismatchError';
  constructor(build: { projection: string; storeId: string }, storeId: string) {
    super(
      `${build.projection} was built from log ${build.storeId}, but the connected log is ${storeId}: run "shutterlog projections rebuild ${build.projection}"`,
    );
  }
}

const CheckpointRow = z.object({
  build_id: z.int(),
  store_id: z.string(),
  position: Position,
  events: z.coerce.number(),
});

/** The checkpoints of some builds by build id; a build that is gone has none. */
export async function readCheckpoints(sql: Sql, buildIds: readonly number[]): Promise<Map<number, Checkpoint>> {
  const { rows } = await sql.query<Record<string, unknown>>(
    'select build_id, store_id, position, events from projections.checkpoint where build_id = any($1::int[])',
    [buildIds],
  );
  return new Map(
    rows.map((raw) => {
      const row = CheckpointRow.parse(raw);
      return [
        row.build_id,
        { buildId: row.build_id, storeId: row.store_id, position: row.position, events: row.events },
      ];
    }),
  );
}

/** A step of one checkpoint: from where the runner believes it to be, over `events` events of the log. */
export type Step = {
  readonly buildId: number;
  readonly storeId: string;
  readonly from: Position;
  readonly to: Position;
  readonly events: number;
};

/**
 * Moves checkpoints that stand exactly where their steps begin, and locks them until the transaction ends, so that of
 * two runners one waits and then finds the place taken. Returns the ids of those that moved; for the others somebody
 * else has moved on, and nothing of theirs may be written.
 */
export async function moveCheckpoints(sql: Sql, steps: readonly Step[]): Promise<Set<number>> {
  const { rows } = await sql.query<{ build_id: number }>(
    `update projections.checkpoint c set position = s.next, events = c.events + s.passed, moved_at = now()
     from unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::bigint[]) as s(build_id, store_id, expected, next, passed)
     where c.build_id = s.build_id and c.store_id = s.store_id and c.position = s.expected
     returning c.build_id`,
    [
      steps.map((step) => step.buildId),
      steps.map((step) => step.storeId),
      steps.map((step) => step.from),
      steps.map((step) => step.to),
      steps.map((step) => step.events),
    ],
  );
  return new Set(rows.map((row) => row.build_id));
}
