import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { laneProjections, postgresProjections } from '../../projections/catalog.ts';
import { BUILDS_CHANNEL, LEASE_CLASS } from '../../projections/builds/leases.ts';
import { writeSetting } from '../../projections/builds/settings.ts';
import { startScript } from '../child.ts';
import type { Taken } from './contestants.ts';
import { usedBetween } from './cpu.ts';
import type { Bench } from './world.ts';

/**
 * Lets a projector that rests feed models and lanes, and waits until the home feed's lanes have passed the head; gives
 * the seconds that it took, and of CPU. It rests again then.
 */
export async function project(bench: Bench, { pid }: ChildProcess): Promise<Taken> {
  const head = await bench.store.head();
  const before = bench.cpu(pid);
  const since = performance.now();
  await resume(bench);
  await whenPassed(bench, head, 50);
  const seconds = (performance.now() - since) / 1_000;
  const cpu = usedBetween(before, bench.cpu(pid));
  await rest(bench);
  return { seconds, cpu };
}

/** Has a projector that runs let go of all that it feeds, as an operator would; resolves once it has. */
export async function rest({ models: { pool } }: Bench): Promise<void> {
  for (const { name } of [...postgresProjections, ...laneProjections]) await writeSetting(pool, name, { paused: true });
  await pool.query(`notify ${BUILDS_CHANNEL}`);
  for (;;) {
    const { rows } = await pool.query<{ held: number }>(
      `select count(*)::int as held from pg_locks where locktype = 'advisory' and classid = $1 and database = (select oid from pg_database where datname = current_database())`,
      [LEASE_CLASS],
    );
    if (rows[0]?.held === 0) return;
    await delay(20);
  }
}

/** Has a projector that rests go on. */
export async function resume({ models: { pool } }: Bench): Promise<void> {
  await pool.query(`update projections.setting set paused = false; notify ${BUILDS_CHANNEL}`);
}

/**
 * Starts a projector that rests. One serves all rounds: in production it has run for days, and its code is compiled.
 */
export async function startProjector(bench: Bench): Promise<ChildProcess> {
  await rest(bench);
  const child = startScript(new URL('projector.child.ts', import.meta.url), bench.urls);
  await once(child.stdout, 'data');
  return child;
}

/** Ends a projector in good order. */
export async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

/** Resolves once all lanes of the home feed have passed a position. */
export async function whenPassed(
  { models: { pool, builds } }: Bench,
  position: string,
  everyMs: number,
): Promise<void> {
  for (;;) {
    const { rows } = await pool.query<{ low: string | null; lanes: number }>(
      'select min(position) as low, count(*)::int as lanes from projections.lane where build_id = $1',
      [builds.id('home-feed')],
    );
    if (rows[0]?.lanes === 32 && (rows[0].low ?? '') >= position) return;
    await delay(everyMs);
  }
}
