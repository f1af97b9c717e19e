import { setTimeout as delay } from 'node:timers/promises';
import type { Position } from '../../domain/position.ts';
import type { ReadableLog } from '../../infra/event-store/event-store.ts';
import type { Log } from '../../infra/process/log.ts';
import type { DataKeys } from '../../infra/vault/personal-data.ts';
import type { Pool } from '../../infra/postgres.ts';
import { announceChanges } from '../runner/invalidation.ts';
import type { Build, StoppedAt } from '../builds/build-store.ts';
import { postgresProjections } from '../catalog.ts';
import { readCheckpoints } from '../builds/checkpoints.ts';
import { estimateTotal, type Counted } from '../status/lag.ts';
import { replayInParallel } from './parallel-replay.ts';
import type { OnPoison } from '../builds/settings.ts';
import type { PostgresProjection } from '../projection.ts';
import type { Target } from './rebuild-plan.ts';
import { Runner } from '../runner/runner.ts';

export type ReplayDeps = {
  readonly pool: Pool;
  readonly store: ReadableLog;
  readonly keys: DataKeys;
  readonly log: Log;
  /** Lets a long log be read by several threads, each with its own connections; without it one does all. */
  readonly parallel?: {
    readonly threads: number;
    readonly eventStoreUrl: string;
    readonly databaseUrl: string;
    readonly masterKey: string;
  };
};

type Standing = {
  readonly build: Build;
  readonly projection: PostgresProjection;
  readonly position: Position;
  readonly events: number;
};

type Report = (progress: { step: 'replaying'; done: number; total: number; estimated: boolean }) => void;

const LOOK_EVERY_MS = 50;
const TOTAL_EVERY_MS = 1_000;
const NEAR_MS = 2_000;
const GROUP = { events: 10_000, bytes: 24 * 1024 * 1024 };

/** Feeds new builds from the log, all in one pass, and keeps feeding them until it is closed. */
export class Replay {
  readonly #deps: ReplayDeps;
  readonly #runner: Runner;
  readonly #stops: { projection: string; at: StoppedAt }[] = [];
  #firstEvents: number | undefined;
  #total = { events: 0, at: Number.NEGATIVE_INFINITY };

  constructor(deps: ReplayDeps, onPoison: OnPoison) {
    this.#deps = deps;
    this.#runner = new Runner(
      {
        ...deps,
        limits: GROUP,
        onPoison: async () => onPoison,
        attempts: 3,
        firstDelayMs: 20,
        alongside: announceChanges,
      },
      (fed, at) => {
        this.#stops.push({ projection: fed.projection.name, at });
      },
    );
  }

  /** The events that stopped builds. */
  get stops(): readonly { projection: string; at: StoppedAt }[] {
    return this.#stops;
  }

  /** How many events of the log this replay has passed. */
  get events(): number {
    return this.#done() - (this.#firstEvents ?? 0);
  }

  /** Feeds builds from where they stand; those of a long log first in parallel, before it resolves. */
  async start(
    targets: readonly Target<PostgresProjection>[],
    rush: { report: Report; signal: AbortSignal },
  ): Promise<void> {
    const standing = await this.#standing(targets);
    this.#firstEvents ??= Math.min(...standing.map(({ events }) => events));
    await this.#rush(standing, rush);
    this.#runner.attach(await this.#standing(targets));
  }

  async #standing(targets: readonly Target<PostgresProjection>[]): Promise<Standing[]> {
    const checkpoints = await readCheckpoints(
      this.#deps.pool,
      targets.map(({ build }) => build.id),
    );
    return targets.map(({ build, projection }) => {
      const checkpoint = checkpoints.get(build.id);
      if (checkpoint === undefined)
        throw new Error(`build ${String(build.id)} of ${build.projection} has no checkpoint`);
      return { build, projection, position: checkpoint.position, events: checkpoint.events };
    });
  }

  async #rush(
    standing: readonly Standing[],
    { report, signal }: { report: Report; signal: AbortSignal },
  ): Promise<void> {
    const { parallel, store, log } = this.#deps;
    // Threads know the projections of the catalog only.
    if (parallel === undefined || !standing.every(({ projection }) => postgresProjections.includes(projection))) return;
    const { threads, ...task } = parallel;
    const total = await this.#estimate(await store.head());
    await replayInParallel(
      {
        store,
        log,
        task,
        threads,
        signal,
        report: (done) => {
          report({ step: 'replaying', done, total: Math.max(done, total), estimated: true });
        },
      },
      standing.map(({ build, position, events }) => ({
        buildId: build.id,
        position,
        events,
        until: build.untilPosition,
      })),
    );
  }

  /**
   * Resolves when every build has come to its own end, or so near to the head of a log that may grow all the time that
   * what is missing is a matter of moments.
   */
  async catchUp(report: Report, mayGoOn: () => void): Promise<void> {
    for (;;) {
      const started = performance.now();
      await this.#reach(await this.#deps.store.head(), { report, mayGoOn });
      // Whoever chases the head of a busy log never stands at it: near is where the last lap was short.
      if (performance.now() - started < NEAR_MS) return;
    }
  }

  async #reach(head: Position, { report, mayGoOn }: { report: Report; mayGoOn: () => void }): Promise<void> {
    for (;;) {
      mayGoOn();
      const states = this.#runner.states();
      if (states.length === 0) return;
      const arrived = states.every(({ position, build }) => position >= (build.untilPosition ?? head));
      const done = this.#done();
      report({
        step: 'replaying',
        done,
        total: arrived ? done : Math.max(done, await this.#estimate(head)),
        estimated: !arrived,
      });
      if (arrived) return;
      await delay(LOOK_EVERY_MS);
    }
  }

  /** Leaves the builds where they are; resolves when nothing is under way. They may be started again. */
  async pause(): Promise<void> {
    for (const { build } of this.#runner.states()) await this.#runner.detach(build.id);
  }

  /** Stops feeding; resolves when nothing is under way. */
  async close(): Promise<void> {
    await this.#runner.close();
  }

  #done(): number {
    const events = this.#runner.states().map((state) => state.events);
    return events.length === 0 ? 0 : Math.min(...events);
  }

  async #estimate(head: Position): Promise<number> {
    if (performance.now() - this.#total.at < TOTAL_EVERY_MS) return this.#total.events;
    const { rows } = await this.#deps.pool.query<{ position: Counted['position']; events: string }>(
      'select position, events from projections.checkpoint where store_id = $1 order by events desc limit 1',
      [this.#deps.store.storeId],
    );
    const [farthest] = rows;
    this.#total = {
      events:
        farthest === undefined
          ? 0
          : estimateTotal({ position: farthest.position, events: Number(farthest.events) }, head),
      at: performance.now(),
    };
    return this.#total.events;
  }
}
