import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { Position } from '../../domain/position.ts';
import { inTransaction, SQLSTATE, sqlStateOf, type Pool, type Transaction } from '../../infra/postgres.ts';
import { createBuildIn, listBuilds, type Build, type NewBuild } from './build-store.ts';
import { LiveRow } from './builds.ts';
import { BUILDS_CHANNEL } from './leases.ts';

const LOOK_EVERY_MS = 5;
/** Long enough for builds that follow the log to draw level, short beside what a reader with a token waits. */
export const HOLD_MS = 500;

/** Builds that have not come as far as the ones they would replace: nothing was switched. */
export type Behind = { readonly behind: readonly string[] };

/**
 * Makes builds live, all in one row and one transaction, if each has come at least as far as the live build that it
 * replaces; those become `previous`, and an older `previous` one `dropped`. While it looks, the live builds stand
 * still, and the new ones get `holdMs` to draw level: under traffic that never pauses they would hardly ever be level
 * by chance.
 */
export async function flip(
  pool: Pool,
  buildIds: readonly number[],
  { holdMs }: { holdMs: number } = { holdMs: 0 },
): Promise<'flipped' | Behind> {
  try {
    return await inTransaction(pool, async (tx) => {
      const served = await lockLiveRow(tx);
      const builds = await listBuilds(tx);
      const pairs = buildIds.map((id) => pairOf(builds, id));
      const behind = await whoStaysBehind(tx, pairs, holdMs);
      if (behind.length > 0) return { behind };
      for (const pair of pairs) await switchOver(tx, pair);
      const changed = pairs.map(
        ({ next, live }) => [next.projection, [next, ...(live === undefined ? [] : [live])].map(entryOf)] as const,
      );
      await writeLiveRow(tx, { ...served, ...Object.fromEntries(changed) });
      return 'flipped';
    });
  } catch (error) {
    // A runner that moves several checkpoints in one statement takes them in an order of its own.
    if (sqlStateOf(error) !== SQLSTATE.deadlock) throw error;
    const builds = await listBuilds(pool);
    return { behind: buildIds.map((id) => pairOf(builds, id).next.projection) };
  }
}

/**
 * Makes the previous builds of projections live again; the ones that were live become `previous`. Throws when one has
 * no previous build.
 */
export async function rollBack(pool: Pool, projections: readonly string[]): Promise<'flipped' | Behind> {
  const builds = await listBuilds(pool);
  const previous = projections.map((projection) => {
    const build = builds.find((one) => one.projection === projection && one.state === 'previous');
    if (build === undefined)
      throw new Error(
        `${projection} has no previous build to go back to: it was dropped after its grace period, or there never was one`,
      );
    return build.id;
  });
  return flip(pool, previous, { holdMs: HOLD_MS });
}

/** Makes a first, empty, live build unless the projection has a live build or is being rebuilt. */
export async function ensureLiveBuild(
  pool: Pool,
  wanted: Omit<NewBuild, 'state' | 'until'>,
): Promise<Build | undefined> {
  return inTransaction(pool, async (tx) => {
    const served = await lockLiveRow(tx);
    const existing = await listBuilds(tx, wanted.projection.name);
    if (existing.some(({ state }) => state === 'live' || state === 'building')) return undefined;
    const build = await createBuildIn(tx, { ...wanted, state: 'building' });
    await switchOver(tx, { next: build, live: undefined });
    await writeLiveRow(tx, { ...served, [build.projection]: [entryOf(build)] });
    return build;
  });
}

/** Takes a build from readers and runners for good; its data is removed later, when no reader can be using it. */
export async function retire(pool: Pool, build: Build): Promise<void> {
  await inTransaction(pool, async (tx) => {
    const served = await lockLiveRow(tx);
    const { rowCount } = await tx.query(
      `update projections.build set state = 'dropped', state_since = now() where id = $1 and state not in ('live', 'dropped')`,
      [build.id],
    );
    if (rowCount === 0) return;
    const left = (served[build.projection] ?? []).filter(({ id }) => id !== build.id);
    await writeLiveRow(tx, { ...served, [build.projection]: left });
  });
}

type Pair = { readonly next: Build; readonly live: Build | undefined };

function pairOf(builds: readonly Build[], id: number): Pair {
  const next = builds.find((build) => build.id === id);
  if (next === undefined || (next.state !== 'building' && next.state !== 'previous'))
    throw new Error(`build ${String(id)} cannot become live`);
  return { next, live: builds.find(({ projection, state }) => projection === next.projection && state === 'live') };
}

function entryOf({ id, version, location }: Build): LiveRow[string][number] {
  return { id, version, location };
}

async function lockLiveRow(tx: Transaction): Promise<LiveRow> {
  // Readers are promised that a switch lasts, so this commit waits for the disk, and with it all that builds wrote
  // before.
  await tx.query('set local synchronous_commit = on');
  const { rows } = await tx.query<{ builds: unknown }>('select builds from projections.live_builds for update');
  return LiveRow.parse(rows[0]?.builds);
}

async function writeLiveRow(tx: Transaction, builds: LiveRow): Promise<void> {
  await tx.query('update projections.live_builds set builds = $1, flipped_at = now()', [JSON.stringify(builds)]);
  await tx.query(`notify ${BUILDS_CHANNEL}`);
}

// One live and one previous build for each projection: make room before moving up.
async function switchOver(tx: Transaction, { next, live }: Pair): Promise<void> {
  const setState = (id: number, state: string) =>
    tx.query('update projections.build set state = $2, state_since = now() where id = $1', [id, state]);
  await tx.query(
    `update projections.build set state = 'dropped', state_since = now() where projection = $1 and state = 'previous' and id <> $2`,
    [next.projection, next.id],
  );
  // Swapping the two needs a third state for a moment.
  if (next.state === 'previous') await setState(next.id, 'side');
  if (live !== undefined) await setState(live.id, 'previous');
  await setState(next.id, 'live');
}

const Place = z.object({ build_id: z.int(), lane: z.int(), store_id: z.string(), position: Position });

async function whoStaysBehind(tx: Transaction, pairs: readonly Pair[], holdMs: number): Promise<string[]> {
  const next = pairs.map((pair) => pair.next.id);
  const live = await readPlaces(
    tx,
    pairs.flatMap((pair) => (pair.live === undefined ? [] : [pair.live.id])),
    { locked: true },
  );
  const behind = async (locked: boolean) => {
    const places = [...live, ...(await readPlaces(tx, next, { locked }))];
    return pairs.filter((pair) => isBehind(pair, places)).map((pair) => pair.next.projection);
  };
  const deadline = performance.now() + holdMs;
  while (performance.now() < deadline && (await behind(false)).length > 0) await delay(LOOK_EVERY_MS);
  return behind(true);
}

async function readPlaces(
  tx: Transaction,
  ids: readonly number[],
  { locked }: { locked: boolean },
): Promise<z.infer<typeof Place>[]> {
  const { rows: checkpoints } = await tx.query<Record<string, unknown>>(
    `select c.build_id, -1 as lane, c.store_id, c.position from projections.checkpoint c join projections.build b on b.id = c.build_id
     where c.build_id = any($1::int[]) and b.store = 'postgres' order by c.build_id ${locked ? 'for update of c' : ''}`,
    [ids],
  );
  const { rows: lanes } = await tx.query<Record<string, unknown>>(
    `select build_id, lane::int as lane, store_id, position from projections.lane where build_id = any($1::int[]) order by build_id, lane ${locked ? 'for update' : ''}`,
    [ids],
  );
  return [...checkpoints, ...lanes].map((row) => Place.parse(row));
}

function isBehind({ next, live }: Pair, places: readonly z.infer<typeof Place>[]): boolean {
  // Positions of two logs cannot be compared; a build from the connected log is what a rebuild after a move is for.
  if (live === undefined || live.storeId !== next.storeId) return false;
  return places
    .filter(({ build_id }) => build_id === live.id)
    .some((old) => {
      const ours = places.find((place) => place.build_id === next.id && place.lane === old.lane);
      return ours === undefined || ours.position < old.position;
    });
}
