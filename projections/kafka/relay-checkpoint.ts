import { z } from 'zod';
import { Position, START_OF_LOG } from '../../domain/position.ts';
import type { Sql } from '../../infra/postgres.ts';
import { LANES } from '../lane-keys.ts';

/** Another relay has taken over. */
export class StaleRelayError extends Error {
  override readonly name = 'StaleRelayError';
}

/** Up to where the log is in Kafka, and up to where each partition, by its number, knows that. */
export type RelayPlace = { readonly position: Position; readonly told: readonly Position[] };

/** Where a relay stands in the log of `storeId`, and under which epoch it may say so. */
export type RelayCheckpoint = RelayPlace & { readonly storeId: string; readonly epoch: string };

const Row = z.object({
  epoch: z.coerce.string(),
  position: Position,
  told: z.array(Position).length(LANES).nullable(),
});

/**
 * Takes the relay's place over from whoever had it. The first relay of a log begins where the lane that is furthest
 * behind stands, because nobody needs what lies before; without lanes, at the beginning.
 */
export async function takeRelay(sql: Sql, storeId: string): Promise<RelayCheckpoint> {
  const { rows } = await sql.query<Record<string, unknown>>(
    `insert into projections.relay (store_id, position)
     values ($1, coalesce((select min(l.position) from projections.lane l join projections.build b on b.id = l.build_id
                           where l.store_id = $1 and b.state in ('live', 'previous', 'building')), $2))
     on conflict (store_id) do update set epoch = projections.relay.epoch + 1
     returning epoch, position, told`,
    [storeId, START_OF_LOG],
  );
  const { epoch, position, told } = Row.parse(rows[0]);
  return { storeId, epoch, position, told: told ?? Array.from({ length: LANES }, () => position) };
}

/** Notes what is in Kafka. Throws StaleRelayError. */
export async function moveRelay(
  sql: Sql,
  { storeId, epoch }: Pick<RelayCheckpoint, 'storeId' | 'epoch'>,
  { position, told }: RelayPlace,
): Promise<void> {
  const { rowCount } = await sql.query(
    'update projections.relay set position = $3, told = $4, moved_at = now() where store_id = $1 and epoch = $2',
    [storeId, epoch, position, told],
  );
  if (rowCount !== 1) throw new StaleRelayError('another relay publishes to Kafka by now');
}
