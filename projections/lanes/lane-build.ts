import type { DomainEvent } from '../../domain/event-log.ts';
import { laterOf, START_OF_LOG, type Position } from '../../domain/position.ts';
import type { EventStore } from '../../infra/event-store/event-store.ts';
import type { Pool } from '../../infra/postgres.ts';
import type { RedisClient } from '../../infra/redis/redis.ts';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import type { SortedIndexes } from '../../infra/redis/sorted-index.ts';
import type { Backpressure } from '../feeds/backpressure.ts';
import type { Build } from '../builds/build-store.ts';
import { isOutage } from '../failures.ts';
import { FanOutGate } from '../feeds/fan-out-gate.ts';
import type { Freshness } from '../builds/consistency.ts';
import type { TakenEvent } from '../runner/decoding.ts';
import { BUCKETS, laneOf, LANES, lanesOf } from '../lane-keys.ts';
import { LaneLedger } from './lane-ledger.ts';
import { modelsAt, placeOfModels, type ModelsWanted } from './lane-models.ts';
import { createLanes, earliestCheckpoint, readIncarnation, type HeldLane } from './lane-positions.ts';
import type { LaneContext, LaneProjection } from '../lane-projection.ts';
import { LaneRounds } from './lane-batches.ts';
import { LaneWorker, PoisonError, type WorkerDeps } from './lane-worker.ts';
import type { Pace } from '../lane-projection.ts';
import type { Builds } from '../projection.ts';

export type LaneBuildDeps = {
  readonly pool: Pool;
  readonly redis: RedisClient;
  readonly store: Pick<EventStore, 'storeId'>;
  readonly freshness: Freshness;
  readonly now: () => Date;
  /** The builds of the models that a build reads. */
  readonly buildsFor: (build: Build) => Promise<Builds>;
  readonly park: (build: Build, poison: PoisonError) => Promise<boolean>;
  readonly backpressure: Backpressure;
  readonly pace: Pace;
};

/** Why a build is no longer fed: another process has it or Redis went back in time, or an event that it cannot pass. */
export type Ended = { readonly lost: unknown } | { readonly poison: PoisonError };

const MARK_EVERY_MS = 1_000;
const WATERMARK_EVERY_MS = 100;

/** What to feed, and which of its lanes. */
type Target = { readonly build: Build; readonly projection: LaneProjection; readonly lanes: readonly number[] };
type Opened = Target & {
  readonly indexes: SortedIndexes;
  readonly ledger: LaneLedger;
  readonly held: readonly HeldLane[];
};

/**
 * The lanes of one build that this process holds, one at least. Lanes that worked tell how far they are at once, the
 * others every 100 ms.
 */
export class LaneBuild {
  readonly build: Build;
  readonly projection: LaneProjection;
  readonly workers: readonly LaneWorker[];
  readonly #handled: ReadonlySet<string>;
  readonly #byLane: ReadonlyMap<number, LaneWorker>;
  readonly #deps: LaneBuildDeps;
  readonly #opened: Opened;
  readonly #onEnded: (ended: Ended) => void;
  readonly #gate: FanOutGate;
  readonly #closing = new AbortController();
  readonly #due = new Set<LaneWorker>();
  readonly #timer: NodeJS.Timeout;
  #storing: Promise<void> | undefined;
  #markedAt = performance.now();
  #marking = false;

  /** Takes over lanes of a build. `onEnded` is called once when it cannot go on. */
  static async open(
    deps: LaneBuildDeps,
    { build, projection, lanes }: Target,
    onEnded: (ended: Ended) => void,
  ): Promise<LaneBuild> {
    const incarnation = await readIncarnation(deps.pool);
    // Where the lanes stand is read anew, and so must be where the models do.
    deps.freshness.forget();
    const builds = await deps.buildsFor(build);
    await createLanes(
      deps.pool,
      build,
      await earliestCheckpoint(
        deps.pool,
        projection.reads.map((model) => builds.id(model)),
      ),
    );
    const indexes = createSortedIndexes(deps.redis, { prefix: `${build.location}:`, buckets: BUCKETS });
    const { ledger, held } = await LaneLedger.take({ pool: deps.pool, indexes, build, incarnation }, lanes);
    return new LaneBuild(deps, { build, projection, lanes, indexes, ledger, held }, onEnded);
  }

  private constructor(deps: LaneBuildDeps, opened: Opened, onEnded: (ended: Ended) => void) {
    this.build = opened.build;
    this.projection = opened.projection;
    this.#handled = new Set(opened.projection.handles);
    this.#deps = deps;
    this.#opened = opened;
    this.#onEnded = onEnded;
    const { indexes, projection } = opened;
    this.#gate = new FanOutGate({
      indexes,
      kinds: projection.fannedOut,
      writers: () => this.workers,
      levelOf: () => deps.backpressure(projection.name),
    });
    const worker = this.#workerDeps();
    this.workers = opened.held.map((lane) => new LaneWorker(worker, lane));
    this.#byLane = new Map(this.workers.map((one) => [one.lane, one]));
    this.#timer = setInterval(() => {
      this.#tick();
    }, WATERMARK_EVERY_MS);
  }

  /** Up to here every lane has come. */
  get position(): Position {
    return this.workers.map(({ position }) => position).reduce((low, position) => (position < low ? position : low));
  }

  /** Events that wait in all lanes. */
  get waiting(): number {
    return this.workers.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /** Hands a group of the log to the lanes; `passed` is its end, which lanes without work have then passed too. */
  deliver(events: readonly TakenEvent[], passed: Position): void {
    const busy = new Set<LaneWorker>();
    for (const taken of events) {
      if (!this.#handled.has(taken.recorded.type)) continue;
      for (const lane of lanesFor(taken)) {
        const worker = this.#byLane.get(lane);
        if (worker?.push(taken) === true) busy.add(worker);
      }
    }
    for (const worker of this.workers) worker.passTo(passed);
    for (const worker of busy) this.#work(worker);
  }

  /** Whether it has ended; what is handed to it then is left lying. */
  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** The lane of that number, if this process holds it. */
  lane(lane: number): LaneWorker | undefined {
    return this.#byLane.get(lane);
  }

  /**
   * Hands one lane all its events after those that it was handed before, up to `passed`; what it was handed before is
   * left out.
   */
  deliverLane(lane: number, events: readonly TakenEvent[], passed: Position): void {
    const worker = this.#byLane.get(lane);
    if (worker === undefined || passed <= worker.handedOut) return;
    const fresh = events.filter(
      ({ recorded }) => recorded.position > worker.handedOut && this.#handled.has(recorded.type),
    );
    for (const taken of fresh) worker.push(taken);
    worker.passTo(passed);
    if (fresh.length > 0) this.#work(worker);
  }

  /** Stops all lanes; resolves when nothing of them is under way. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort();
    await Promise.allSettled(this.workers.map((worker) => worker.work()));
    await this.#storing;
  }

  #workerDeps(): WorkerDeps {
    const rounds = new LaneRounds(async (writers, events) => {
      const lanes = new Set(writers.map(({ lane }) => lane));
      await this.projection.apply(
        await this.#context(events),
        { writers, owns: (id) => lanes.has(laneOf(id)) },
        events,
      );
    });
    return {
      apply: (writer, events) => rounds.run(writer, events),
      signal: this.#closing.signal,
      whenModelsPassed: (first, last) => placeOfModels(this.#wanted(), first, last),
      onOutage: () => {
        this.#deps.freshness.forget();
      },
      registerAgain: () => this.#opened.ledger.registerAgain(this.workers),
      park: (poison) => this.#deps.park(this.build, poison),
    };
  }

  #work(worker: LaneWorker): void {
    worker.work().then(
      () => {
        this.#due.add(worker);
        this.#store();
      },
      (error: unknown) => {
        this.#end(error);
      },
    );
  }

  #fail(error: unknown): void {
    if (isOutage(error)) this.#deps.freshness.forget();
    else this.#end(error);
  }

  #end(error: unknown): void {
    if (this.#closing.signal.aborted) return;
    clearInterval(this.#timer);
    this.#closing.abort();
    this.#onEnded(error instanceof PoisonError ? { poison: error } : { lost: error });
  }

  // Readers may be switched between the wait for the models and this: those that are read now must have passed the
  // events too.
  async #context(events: readonly DomainEvent[]): Promise<LaneContext> {
    const { pool, now, pace } = this.#deps;
    const last = events.reduce<Position>((latest, { position }) => laterOf(latest, position), START_OF_LOG);
    const builds = await modelsAt(this.#wanted(), last);
    return {
      read: { sql: pool, builds },
      indexes: this.#opened.indexes,
      prefix: this.build.location,
      now,
      level: await this.#gate.level(),
      pace: (deliveries) => pace(deliveries, this.#closing.signal),
    };
  }

  #wanted(): ModelsWanted {
    const { freshness, store, buildsFor } = this.#deps;
    return {
      freshness,
      storeId: store.storeId,
      models: this.projection.reads,
      resolve: () => buildsFor(this.build),
      signal: this.#closing.signal,
    };
  }

  #tick(): void {
    for (const worker of this.workers) this.#due.add(worker);
    this.#store();
    // A second mark that starts where the first one does would look like a Redis that went back in time.
    if (this.#marking || performance.now() - this.#markedAt < MARK_EVERY_MS) return;
    this.#markedAt = performance.now();
    this.#marking = true;
    this.#opened.ledger
      .mark(this.workers)
      .then(() => this.#gate.reopen())
      .catch((error: unknown) => {
        this.#fail(error);
      })
      .finally(() => {
        this.#marking = false;
      });
  }

  // Lanes that come due while a write is under way go into the next one, all together.
  #store(): void {
    if (this.#storing !== undefined || this.#due.size === 0) return;
    const due = [...this.#due];
    this.#due.clear();
    this.#storing = this.#opened.ledger
      .store(due)
      .catch((error: unknown) => {
        this.#fail(error);
      })
      .finally(() => {
        this.#storing = undefined;
        this.#store();
      });
  }
}

// An event that cannot be read does not tell whose it is: it stands in the way of all lanes.
function lanesFor({ event }: TakenEvent): number[] {
  return event === undefined ? Array.from({ length: LANES }, (_, lane) => lane) : lanesOf(event.meta.owners);
}
