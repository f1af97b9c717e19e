import { type Position, START_OF_LOG } from '../../domain/position.ts';
import type { ReadableLog } from '../../infra/event-store/event-store.ts';
import { readPosition } from '../../infra/event-store/position-text.ts';
import type { Pool } from '../../infra/postgres.ts';
import { createBuild, type Build } from '../builds/build-store.ts';
import { postgresProjections } from '../catalog.ts';
import type { LaneProjection } from '../lane-projection.ts';
import { Leases } from '../builds/leases.ts';
import type { OnPoison } from '../builds/settings.ts';
import type { PostgresProjection } from '../projection.ts';
import { RebuildInterruptedError, refuseStopped } from './rebuild.ts';
import type { RebuildDeps, RebuildProgress } from './rebuild-deps.ts';
import { fillAside } from './rebuild-lanes.ts';
import { byStore, type Target } from './rebuild-plan.ts';
import { Replay } from './replay.ts';

export type SideBuildOptions = {
  /** Those on Redis are defined over models in PostgreSQL, which are built aside with them. */
  readonly projections: readonly (PostgresProjection | LaneProjection)[];
  readonly until: PlaceInLog;
  readonly onPoison: OnPoison;
  readonly signal: AbortSignal;
  readonly report: (progress: RebuildProgress) => void;
};

/**
 * Builds models as they were at a place of the log, beside everything else: no reader sees them, nobody feeds them on.
 * They stay until they are dropped. An interrupted one is removed by the next sweep. On Redis these are the keys that
 * the live build holds now, as the definition gives them over the models as they were then, at the time of the place.
 */
export async function buildAside(deps: RebuildDeps, options: SideBuildOptions): Promise<Build[]> {
  const { pool, store } = deps;
  const { postgres, lanes } = byStore(options.projections);
  const needed = postgresProjections.filter(
    ({ name }) => lanes.some(({ reads }) => reads.includes(name)) && !postgres.some((one) => one.name === name),
  );
  const leases = await Leases.open(deps.databaseUrl);
  const replay = new Replay(deps, options.onPoison);
  const make = async <P extends PostgresProjection | LaneProjection>(projection: P): Promise<Target<P>> => {
    const build = await createBuild(pool, {
      projection,
      storeId: store.storeId,
      state: 'side',
      until: options.until.position,
      temporary: true,
    });
    await leases.take(build.id);
    return { projection, build, resumed: false };
  };
  const mayGoOn = () => {
    if (options.signal.aborted) throw new RebuildInterruptedError('interrupted: what was built so far is removed');
    refuseStopped(replay.stops);
  };
  try {
    const models: Target<PostgresProjection>[] = [];
    for (const projection of [...postgres, ...needed]) models.push(await make(projection));
    await replay.start(models, options);
    await replay.catchUp(options.report, mayGoOn);
    const indexes: Target<LaneProjection>[] = [];
    for (const projection of lanes) indexes.push(await make(projection));
    if (indexes.length > 0)
      await fillAside({ ...deps, redis: await deps.redis() }, indexes, {
        ...options,
        at: options.until.at,
        models: new Map(models.map(({ build }) => [build.projection, build])),
      });
    mayGoOn();
    const builds = [...models, ...indexes].map(({ build }) => build);
    await keep(pool, builds, options.until.position);
    return builds;
  } finally {
    await replay.close();
    await leases.close();
  }
}

// Nothing fed the lanes of those on Redis: where they stand is said here, with the events that their models counted.
async function keep(pool: Pool, builds: readonly Build[], until: Position): Promise<void> {
  await pool.query(
    `with kept as (update projections.build set temporary = false where id = any($1::int[]) returning id, store)
     update projections.checkpoint c set position = $2, moved_at = now(), events = (select max(m.events) from projections.checkpoint m where m.build_id = any($1::int[]))
     from kept where c.build_id = kept.id and kept.store = 'redis'`,
    [builds.map(({ id }) => id), until],
  );
}

/** A position, and the time as of which windows of time are seen there. */
export type PlaceInLog = { readonly position: Position; readonly at: Date };

const A_TIME = /^\d{4}-\d\d-\d\d/;

/**
 * The newest event at or before a position or a time of recording, as its position, and its time or the one that was
 * asked for; the start of the log when there is none. Undefined when the text is neither.
 */
export async function placeInLog(store: Pick<ReadableLog, 'readAll'>, text: string): Promise<PlaceInLog | undefined> {
  const position = readPosition(text);
  if (position !== undefined) return newestWhere(store, (event) => event.position <= position);
  const time = A_TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) return undefined;
  const place = await newestWhere(store, (event) => event.createdAt.getTime() <= time);
  return { ...place, at: new Date(Math.min(time, Date.now())) };
}

// From the end, because what people look into is mostly recent.
async function newestWhere(
  store: Pick<ReadableLog, 'readAll'>,
  holds: (event: { position: Position; createdAt: Date }) => boolean,
): Promise<PlaceInLog> {
  for await (const { position, createdAt } of store.readAll({ backwards: true }))
    if (holds({ position, createdAt })) return { position, at: createdAt };
  return { position: START_OF_LOG, at: new Date(0) };
}
