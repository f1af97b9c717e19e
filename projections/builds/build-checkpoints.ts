import { z } from 'zod';
import { Position } from '../../domain/position.ts';
import type { Sql } from '../../infra/postgres.ts';
import { LEASE_CLASS } from './leases.ts';

/** Where a build stands: for one on lanes, where its slowest lane does. */
export type BuildPlace = { readonly position: Position; readonly events: number; readonly fed: boolean };

const PlaceRow = z.object({ id: z.int(), position: Position, events: z.coerce.number(), fed: z.boolean() });

/** The places of all builds by build id, and whether some process has the lease to feed each. */
export async function readPlaces(sql: Sql): Promise<Map<number, BuildPlace>> {
  const { rows } = await sql.query<Record<string, unknown>>(
    `select c.build_id as id, coalesce(l.position, c.position) as position, c.events,
       exists (
         select 1 from pg_locks k where k.locktype = 'advisory' and k.classid = ${String(LEASE_CLASS)} and k.objid = c.build_id and k.objsubid = 2 and k.granted
           and k.database = (select oid from pg_database where datname = current_database())
       ) as fed
     from projections.checkpoint c
     left join (select build_id, min(position) as position from projections.lane group by build_id) l using (build_id)`,
  );
  return new Map(
    rows.map((raw) => {
      const { id, ...place } = PlaceRow.parse(raw);
      return [id, place];
    }),
  );
}
