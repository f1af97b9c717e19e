import { z } from 'zod';
import type { Sql } from '../../infra/postgres.ts';
import { BUILDS_CHANNEL } from './leases.ts';

/** What to do with an event that cannot be applied: stop before it, or park it in `dead_letter` and go on. */
export type OnPoison = 'stop' | 'park';

/** What operators decided about a projection; `skips` are events to park, by id, whatever `onPoison` says. */
export type Setting = { readonly paused: boolean; readonly onPoison: OnPoison; readonly skips: ReadonlySet<string> };

const DEFAULTS: Setting = { paused: false, onPoison: 'stop', skips: new Set() };
const SettingRow = z.object({
  projection: z.string(),
  paused: z.boolean(),
  on_poison: z.enum(['stop', 'park']),
  skips: z.array(z.string()),
});

/** Tells the setting of any projection. */
export async function readSettings(sql: Sql): Promise<(projection: string) => Setting> {
  const { rows } = await sql.query<Record<string, unknown>>(
    `select projection, coalesce(s.paused, $1) as paused, coalesce(s.on_poison, $2) as on_poison, array(select k.event_id::text from projections.skip k where k.projection = n.projection) as skips
     from (select projection from projections.setting union select projection from projections.skip) n left join projections.setting s using (projection)`,
    [DEFAULTS.paused, DEFAULTS.onPoison],
  );
  const settings = new Map(
    rows.map((raw) => {
      const row = SettingRow.parse(raw);
      return [row.projection, { paused: row.paused, onPoison: row.on_poison, skips: new Set(row.skips) }];
    }),
  );
  return (projection) => settings.get(projection) ?? DEFAULTS;
}

/** What to do with one event that a projection cannot apply. */
export function poisonRule(setting: Setting, eventId: string): OnPoison {
  return setting.skips.has(eventId) ? 'park' : setting.onPoison;
}

/** Changes a projection's setting and wakes the projectors. */
export async function writeSetting(
  sql: Sql,
  projection: string,
  change: Partial<Omit<Setting, 'skips'>>,
): Promise<void> {
  await sql.query(
    `insert into projections.setting as s (projection, paused, on_poison) values ($1, coalesce($2::boolean, $4), coalesce($3, $5))
     on conflict (projection) do update set paused = coalesce($2::boolean, s.paused), on_poison = coalesce($3, s.on_poison)`,
    [projection, change.paused ?? null, change.onPoison ?? null, DEFAULTS.paused, DEFAULTS.onPoison],
  );
  await sql.query(`notify ${BUILDS_CHANNEL}`);
}
