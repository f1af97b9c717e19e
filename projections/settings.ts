import { z } from 'zod';
import type { Sql } from '../infra/postgres.ts';
import { BUILDS_CHANNEL } from './leases.ts';
import type { OnPoison } from './poison.ts';

/** What operators decided about a projection. */
export type Setting = { readonly paused: boolean; readonly onPoison: OnPoison };

const DEFAULTS: Setting = { paused: false, onPoison: 'stop' };
const SettingRow = z.object({ projection: z.string(), paused: z.boolean(), on_poison: z.enum(['stop', 'park']) });

/** Tells the setting of any projection. */
export async function readSettings(sql: Sql): Promise<(projection: string) => Setting> {
  const { rows } = await sql.query<Record<string, unknown>>('select projection, paused, on_poison from projections.setting');
  const settings = new Map(rows.map((raw) => {
    const row = SettingRow.parse(raw);
    return [row.projection, { paused: row.paused, onPoison: row.on_poison }];
  }));
  return (projection) => settings.get(projection) ?? DEFAULTS;
}

/** Changes a projection's setting and wakes the projectors. */
export async function writeSetting(sql: Sql, projection: string, change: Partial<Setting>): Promise<void> {
  await sql.query(
    `insert into projections.setting as s (projection, paused, on_poison) values ($1, coalesce($2, $4), coalesce($3, $5))
     on conflict (projection) do update set paused = coalesce($2, s.paused), on_poison = coalesce($3, s.on_poison)`,
    [projection, change.paused ?? null, change.onPoison ?? null, DEFAULTS.paused, DEFAULTS.onPoison],
  );
  await sql.query(`notify ${BUILDS_CHANNEL}`);
}
