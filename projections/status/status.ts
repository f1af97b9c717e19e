import { setTimeout as delay } from 'node:timers/promises';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import type { EventStore } from '../../infra/event-store/event-store.ts';
import type { Pool } from '../../infra/postgres.ts';
import { listBuilds, type Build, type BuildState, type StoppedAt } from '../builds/build-store.ts';
import { readPlaces, type BuildPlace } from '../builds/build-checkpoints.ts';
import { measureLags, type Lag } from './lag.ts';
import { readSettings } from '../builds/settings.ts';

/** What an operator sees of a projection in the code's catalog. */
export type CatalogEntry = { readonly name: string; readonly version: number; readonly store: 'postgres' | 'redis' };

/**
 * `following`: fed. `paused`: an operator stopped it. `stopped`: an event stopped it. `refused`: it was built from
 * another log. `outdated`: the code has a newer version. `unfed`: no projector has it. `missing`: never built.
 */
export type ProjectionState = 'following' | 'paused' | 'stopped' | 'refused' | 'outdated' | 'unfed' | 'missing';

export type BuildStatus = {
  readonly build: Build;
  readonly checkpoint: Position;
  readonly events: number;
  readonly lag: Lag;
  readonly fed: boolean;
  readonly perSecond: number;
};

export type ProjectionStatus = {
  readonly entry: CatalogEntry;
  readonly state: ProjectionState;
  readonly head: Position;
  readonly live: BuildStatus | undefined;
  /** Builds beside the live one: building, previous, side. */
  readonly others: readonly BuildStatus[];
  readonly stopped: StoppedAt | undefined;
  readonly deadLetters: number;
};

export type StatusSource = {
  readonly pool: Pool;
  readonly store: Pick<EventStore, 'storeId' | 'head' | 'readAll'>;
  readonly catalog: readonly CatalogEntry[];
  readonly now: () => Date;
};

const SHOWN: readonly BuildState[] = ['live', 'building', 'previous', 'side'];
const RATE_OVER_MS = 400;

/** How every projection of the catalog stands, in the catalog's order. */
export async function projectionStatus(source: StatusSource): Promise<ProjectionStatus[]> {
  const { pool, store, catalog, now } = source;
  const builds = (await listBuilds(pool)).filter(({ state }) => SHOWN.includes(state));
  const [setting, deadLetters, first] = await Promise.all([
    readSettings(pool),
    countDeadLetters(pool),
    readPlaces(pool),
  ]);
  const { head, lags } = await measureLags(
    store,
    builds.map(({ id }) => placeOf(first, id).position),
    farthest(builds, first, store.storeId),
    now(),
  );
  const rates = await measureRates(
    pool,
    first,
    [...lags.values()].some(({ events }) => events > 0),
  );
  const statusOf = (build: Build): BuildStatus => {
    const { position, events, fed } = placeOf(first, build.id);
    return {
      build,
      checkpoint: position,
      events,
      fed,
      lag: lags.get(position) ?? { events: 0, estimated: false, seconds: 0 },
      perSecond: rates.get(build.id) ?? 0,
    };
  };
  return catalog.map((entry) => {
    const own = builds.filter(({ projection }) => projection === entry.name).map(statusOf);
    const live = own.find(({ build }) => build.state === 'live');
    return {
      entry,
      head,
      live,
      state: stateOf(entry, live, { storeId: store.storeId, paused: setting(entry.name).paused }),
      others: own.filter((one) => one !== live),
      stopped: live?.build.stopped,
      deadLetters: deadLetters.get(entry.name) ?? 0,
    };
  });
}

function placeOf(places: ReadonlyMap<number, BuildPlace>, buildId: number): BuildPlace {
  return places.get(buildId) ?? { position: START_OF_LOG, events: 0, fed: false };
}

function stateOf(
  entry: CatalogEntry,
  live: BuildStatus | undefined,
  { storeId, paused }: { storeId: string; paused: boolean },
): ProjectionState {
  if (live === undefined) return 'missing';
  if (live.build.storeId !== storeId) return 'refused';
  if (live.build.stopped !== undefined) return 'stopped';
  if (paused) return 'paused';
  if (live.build.version !== entry.version) return 'outdated';
  return live.fed ? 'following' : 'unfed';
}

// The build that has counted the most events tells how many a place farther on stands for.
function farthest(builds: readonly Build[], places: ReadonlyMap<number, BuildPlace>, storeId: string): BuildPlace {
  return builds
    .filter((build) => build.storeId === storeId)
    .map(({ id }) => placeOf(places, id))
    .reduce((most, place) => (place.events > most.events ? place : most), placeOf(places, -1));
}

async function measureRates(
  pool: Pool,
  before: ReadonlyMap<number, BuildPlace>,
  moving: boolean,
): Promise<Map<number, number>> {
  if (!moving) return new Map();
  const started = performance.now();
  await delay(RATE_OVER_MS);
  const after = await readPlaces(pool);
  const seconds = (performance.now() - started) / 1_000;
  return new Map(
    [...after].map(([id, { events }]) => [
      id,
      Math.max(0, Math.round((events - placeOf(before, id).events) / seconds)),
    ]),
  );
}

async function countDeadLetters(pool: Pool): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ projection: string; letters: number }>(
    `select d.projection, count(*)::int as letters from projections.dead_letter d join projections.build b on b.id = d.build_id where b.state = 'live' group by d.projection`,
  );
  return new Map(rows.map(({ projection, letters }) => [projection, letters]));
}
