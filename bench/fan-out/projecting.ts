import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { laneProjections, postgresProjections } from '../../projections/catalog.ts';
import { BUILDS_CHANNEL } from '../../projections/leases.ts';
import { writeSetting } from '../../projections/settings.ts';
import type { Taken } from './contestants.ts';
import { usedBetween } from './cpu.ts';
import type { Bench } from './world.ts';

/** Lets a projector that runs already feed models and lanes, and waits until the home feed's lanes have passed the head; gives the seconds that it took, and of CPU. */
export async function project(bench: Bench): Promise<Taken> {
  const { pool } = bench.models;
  const head = await bench.store.head();
  for (const { name } of [...postgresProjections, ...laneProjections]) await writeSetting(pool, name, { paused: true });
  const child = await startProjector(bench);
  await go(child);
  const before = bench.cpu(child.pid);
  const since = performance.now();
  await pool.query(`update projections.setting set paused = false; notify ${BUILDS_CHANNEL}`);
  await whenPassed(bench, head, 20);
  const seconds = (performance.now() - since) / 1_000;
  const cpu = usedBetween(before, bench.cpu(child.pid));
  await stop(child);
  return { seconds, cpu };
}

/** Starts a projector process that waits for `go`. */
export async function startProjector({ urls }: Bench): Promise<ChildProcess> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('projector.child.ts', import.meta.url)), ...urls], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

/** Lets a projector begin. */
export async function go(child: ChildProcess): Promise<void> {
  if (child.stdin === null || child.stdout === null) throw new Error('the projector was started without pipes');
  const ready = once(child.stdout, 'data');
  child.stdin.write('go\n');
  await ready;
}

/** Ends a projector in good order. */
export async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

/** Resolves once all lanes of the home feed have passed a position. */
export async function whenPassed({ models: { pool, builds } }: Bench, position: string, everyMs: number): Promise<void> {
  for (;;) {
    const { rows } = await pool.query<{ low: string | null; lanes: number }>('select min(position) as low, count(*)::int as lanes from projections.lane where build_id = $1', [builds.id('home-feed')]);
    if (rows[0]?.lanes === 32 && (rows[0].low ?? '') >= position) return;
    await delay(everyMs);
  }
}
