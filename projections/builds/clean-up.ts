import type { Log } from '../../infra/process/log.ts';
import { inTransaction, type Pool, type Transaction } from '../../infra/postgres.ts';
import { readPlaces } from './build-checkpoints.ts';
import { listBuilds, quoted, type Build } from './build-store.ts';
import { retire } from './switch-over.ts';

export type Sweeping = {
  readonly pool: Pool;
  /** How long a previous build stays fed, and a rollback possible. */
  readonly graceMs: number;
  /** Removes the keys of a build on Redis. */
  readonly removeKeys: (prefix: string) => Promise<void>;
};

/** Readers resolve their builds for each request, so none can use a build this long after it was taken from them. */
const DRAIN_MS = 60_000;

/**
 * Drops previous builds after their grace period, and removes the data of builds that nobody can be reading any more.
 */
export async function sweepBuilds({ pool, graceMs, removeKeys }: Sweeping): Promise<void> {
  const builds = await listBuilds(pool);
  const places = await readPlaces(pool);
  const now = await databaseTime(pool);
  for (const build of builds) {
    const ageMs = now - build.stateSince.getTime();
    if (build.state === 'previous' && ageMs >= graceMs) await retire(pool, build);
    const abandoned = build.temporary && build.state === 'side' && places.get(build.id)?.fed !== true;
    if ((build.state === 'dropped' || abandoned) && ageMs >= DRAIN_MS) await removeData(pool, build, removeKeys);
  }
}

const SWEEP_EVERY_MS = 10_000;

/** Sweeps every few seconds until it is closed. What fails is tried again by the next sweep. */
export function keepSweeping(sweeping: Sweeping, log: Log): { close(): void } {
  const sweep = () => {
    sweepBuilds(sweeping).catch((error: unknown) => {
      log.warn({ err: error }, 'old builds could not be swept');
    });
  };
  const timer = setInterval(sweep, SWEEP_EVERY_MS);
  return {
    close: () => {
      clearInterval(timer);
    },
  };
}

/** Removes the data of a build that no reader and no runner uses, and forgets its checkpoints. */
export async function removeData(pool: Pool, build: Build, removeKeys: Sweeping['removeKeys']): Promise<void> {
  if (build.store === 'redis') await removeKeys(build.location);
  await inTransaction(pool, (tx) => removeDataIn(tx, build));
}

async function removeDataIn(tx: Transaction, build: Build): Promise<void> {
  // A reader that hangs on the schema makes this fail, and the next sweep tries again.
  await tx.query(`set local lock_timeout = '2s'`);
  await tx.query('delete from projections.checkpoint where build_id = $1', [build.id]);
  await tx.query('delete from projections.lane where build_id = $1', [build.id]);
  if (build.store === 'postgres') await tx.query(`drop schema if exists ${quoted(build.location)} cascade`);
  await tx.query(`update projections.build set state = 'dropped', removed_at = now() where id = $1`, [build.id]);
}

async function databaseTime(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ now: Date }>('select now() as now');
  return rows[0]?.now.getTime() ?? 0;
}
