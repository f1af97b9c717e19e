import { Position, START_OF_LOG } from '../domain/position.ts';
import type { EventStore } from '../infra/event-store.ts';
import { createBuild, type Build } from './build-store.ts';
import { Leases } from './leases.ts';
import type { OnPoison } from './poison.ts';
import type { PostgresProjection } from './projection.ts';
import { RebuildInterruptedError, refuseStopped, type RebuildDeps, type RebuildProgress } from './rebuild.ts';
import type { Target } from './rebuild-plan.ts';
import { Replay } from './replay.ts';

export type SideBuildOptions = {
  readonly projections: readonly PostgresProjection[];
  /** The last event that the builds contain. */
  readonly until: Position;
  readonly onPoison: OnPoison;
  readonly signal: AbortSignal;
  readonly report: (progress: RebuildProgress) => void;
};

/**
 * Builds models as they were at a place of the log, beside everything else: no reader sees them, nobody feeds them on.
 * They stay until they are dropped. An interrupted one is removed by the next sweep.
 */
export async function buildAside(deps: RebuildDeps, options: SideBuildOptions): Promise<Build[]> {
  const { pool, store } = deps;
  const leases = await Leases.open(deps.databaseUrl);
  const replay = new Replay(deps, options.onPoison);
  try {
    const targets: Target<PostgresProjection>[] = [];
    for (const projection of options.projections) {
      const build = await createBuild(pool, { projection, storeId: store.storeId, state: 'side', until: options.until, temporary: true });
      await leases.take(build.id);
      targets.push({ projection, build, resumed: false });
    }
    await replay.start(targets, options);
    await replay.catchUp(options.report, () => {
      if (options.signal.aborted) throw new RebuildInterruptedError('interrupted: what was built so far is removed');
      refuseStopped(replay.stops);
    });
    await pool.query('update projections.build set temporary = false where id = any($1::int[])', [targets.map(({ build }) => build.id)]);
    return targets.map(({ build }) => build);
  } finally {
    await replay.close();
    await leases.close();
  }
}

const A_TIME = /^\d{4}-\d\d-\d\d/;

/**
 * The newest event at or before a position or a time of recording, as its position; the start of the log when there is
 * none. Undefined when the text is neither.
 */
export async function placeInLog(store: Pick<EventStore, 'readAll'>, text: string): Promise<Position | undefined> {
  const position = Position.safeParse(text);
  if (position.success) return newestWhere(store, (event) => event.position <= position.data);
  const time = A_TIME.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : newestWhere(store, (event) => event.createdAt.getTime() <= time);
}

// From the end, because what people look into is mostly recent.
async function newestWhere(store: Pick<EventStore, 'readAll'>, holds: (event: { position: Position; createdAt: Date }) => boolean): Promise<Position> {
  for await (const event of store.readAll({ backwards: true })) if (holds(event)) return event.position;
  return START_OF_LOG;
}
