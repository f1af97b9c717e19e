import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventMix } from '../../testing/event-mix.ts';
import type { Fact } from '../../testing/projection-spec.ts';
import { openProjectorWorld, type ProjectorWorld } from '../../testing/projector-world.ts';
import { listBuilds, quoted, type Build } from '../builds/build-store.ts';
import { postgresProjections } from '../catalog.ts';
import { rebuild } from '../rebuild/rebuild.ts';

const SCRIPT = fileURLToPath(new URL('../../testing/projection-process.ts', import.meta.url));
const KILLS = 14;
const LIMIT_MS = 180_000;

let world: ProjectorWorld;
const facts: Fact[] = [];
beforeAll(async () => {
  world = await openProjectorWorld();
  for (const fact of eventMix(Math.floor(Math.random() * 1e6))) {
    facts.push(fact);
    if (facts.length >= 1_500) break;
  }
});
afterAll(() => world.close());

/** Runs the process until it kills itself at a statement, ends, or `done` says so; tells how it ended. */
async function runAndKill(
  mode: 'project' | 'rebuild',
  statement: number,
  options: { when: string; args?: string[]; done?: () => Promise<boolean> },
): Promise<'killed' | 'ended'> {
  const child = spawn(
    process.execPath,
    [SCRIPT, mode, world.databaseUrl, world.node.url, String(statement), options.when, ...(options.args ?? [])],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  let watching = true;
  const watch = (async () => {
    while (watching && options.done !== undefined) {
      if (await options.done()) {
        child.kill('SIGKILL');
        return true;
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
    return false;
  })();
  const [code, signal] = await exited;
  watching = false;
  if (await watch) return 'ended';
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the process ended with ${String(code ?? signal)}`);
  return signal === 'SIGKILL' ? 'killed' : 'ended';
}

async function liveTables(): Promise<Record<string, unknown>> {
  const builds = (await listBuilds(world.pool)).filter(({ state }) => state === 'live');
  const tables: Record<string, unknown> = {};
  for (const projection of postgresProjections) {
    const build: Build = builds.find((one) => one.projection === projection.name)!;
    for (const { table, key, columns } of projection.tables) {
      tables[`${projection.name}.${table}`] = (
        await world.pool.query(
          `select ${[...key, ...columns].join(', ')} from ${quoted(build.location)}.${table} order by ${key.join(', ')}`,
        )
      ).rows;
    }
  }
  return tables;
}

async function isLevel(): Promise<boolean> {
  const head = await world.store.head();
  const { rows } = await world.pool.query<{ position: string }>(
    `select c.position from projections.checkpoint c join projections.build b on b.id = c.build_id where b.state = 'live'`,
  );
  return rows.length === postgresProjections.length && rows.every(({ position }) => position >= head);
}

const freshRebuild = () =>
  rebuild(
    { ...world, versions: new Map(), redis: () => Promise.reject(new Error('no Redis here')) },
    {
      projections: postgresProjections,
      onPoison: 'stop',
      signal: new AbortController().signal,
      report: () => undefined,
    },
  );

describe('killed between any two statements', () => {
  it(
    'a projector that is started again and again ends in the tables that a rebuild gives',
    async () => {
      let kills = 0;
      for (let round = 0; round < KILLS; round += 1) {
        await world.append(...facts.slice(round * 50, round * 50 + 50));
        // The first statements are the start; beyond them come batches, each with its checkpoint.
        const statement = round < 3 ? 1 + Math.floor(Math.random() * 40) : 30 + Math.floor(Math.random() * 120);
        if (
          (await runAndKill('project', statement, { when: round % 2 === 0 ? 'before' : 'after', done: isLevel })) ===
          'killed'
        )
          kills += 1;
      }
      while (!(await isLevel())) await runAndKill('project', 0, { when: 'never', done: isLevel });
      expect(kills).toBeGreaterThan(KILLS / 3);
      const live = await liveTables();
      await freshRebuild();
      expect(live).toEqual(await liveTables());
    },
    LIMIT_MS,
  );

  it(
    'a rebuild that is run again and again ends in the same tables, and leaves no second one behind',
    async () => {
      await world.append(...facts.slice(KILLS * 50));
      let killed = 0;
      for (let round = 0; ; round += 1) {
        const statement = round >= KILLS ? 0 : 5 + Math.floor(Math.random() * 30 * (round + 1));
        const ended = await runAndKill('rebuild', statement, {
          when: round % 2 === 0 ? 'before' : 'after',
          args: round % 3 === 0 ? ['--verify'] : [],
        });
        if (ended === 'ended' && killed > 3) break;
        if (ended === 'killed') killed += 1;
      }
      const resumed = await liveTables();
      await freshRebuild();
      expect(resumed).toEqual(await liveTables());
      const states = (await listBuilds(world.pool))
        .map(({ projection, state }) => `${projection} ${state}`)
        .filter((text) => !text.endsWith('dropped'));
      expect(new Set(states).size).toBe(states.length);
      expect(states.filter((text) => text.endsWith('building'))).toEqual([]);
    },
    LIMIT_MS,
  );
});
