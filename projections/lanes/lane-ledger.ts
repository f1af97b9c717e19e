import { laterOf, Position } from '../../domain/position.ts';
import type { Pool } from '../../infra/postgres.ts';
import { EpochUnknownError, StaleEpochError } from '../../infra/redis/redis-functions.ts';
import type { SortedIndexes } from '../../infra/redis/sorted-index.ts';
import type { Build } from '../builds/build-store.ts';
import { holdsLane, moveLanes, takeLanes, type HeldLane } from './lane-positions.ts';

/** Redis came back with an older state: the lanes have to be taken anew, and go on from what Redis holds. */
export class RedisWentBackError extends Error {
  override readonly name = 'RedisWentBackError';
}

export type LedgerDeps = {
  readonly pool: Pool;
  readonly indexes: SortedIndexes;
  readonly build: Build;
  /** Of the server that the lanes read the models from; read before anything else is. */
  readonly incarnation: string;
};

/**
 * Where the lanes of a build stand, as others can read it: positions in PostgreSQL, written after the effects, and
 * marks in Redis that tell how much of the effects this very Redis holds.
 */
export class LaneLedger {
  readonly #deps: LedgerDeps;
  readonly #stored = new Map<number, Position>();
  readonly #marked = new Map<number, Position>();
  #marking: Promise<unknown> = Promise.resolve();
  #registering: Promise<void> | undefined;

  private constructor(deps: LedgerDeps, held: readonly HeldLane[]) {
    this.#deps = deps;
    for (const { lane, position } of held) {
      this.#stored.set(lane, position);
      this.#marked.set(lane, position);
    }
  }

  /** Takes over some lanes of a build, each at the place up to which both PostgreSQL and Redis know its effects. */
  static async take(deps: LedgerDeps, lanes: readonly number[]): Promise<{ ledger: LaneLedger; held: HeldLane[] }> {
    const { pool, indexes, build, incarnation } = deps;
    const taken = await takeLanes(pool, build.id, lanes);
    const marks = await indexes.marks(taken.map(({ lane }) => lane));
    const held = taken.map((lane, i): HeldLane => ({ ...lane, position: earlierOf(lane.position, marks[i]) }));
    await indexes.takeOver(held.map(({ lane, epoch, position }) => ({ lane, epoch, mark: position })));
    if ((await moveLanes(pool, { buildId: build.id, incarnation }, held)) < held.length)
      throw new StaleEpochError(`lanes of ${build.location} were taken over, or PostgreSQL crashed`);
    return { ledger: new LaneLedger(deps, held), held };
  }

  /**
   * Stores positions that moved. Throws StaleEpochError when the lanes are somebody else's by now, or PostgreSQL has
   * crashed since they were taken: models may have been read that were no longer where they had been seen to be.
   */
  async store(lanes: readonly HeldLane[]): Promise<void> {
    const moved = lanes
      .filter(({ lane, position }) => this.#stored.get(lane) !== position)
      .map(({ lane, epoch, position }) => ({ lane, epoch, position }));
    const { pool, build, incarnation } = this.#deps;
    const written = await moveLanes(pool, { buildId: build.id, incarnation }, moved);
    if (written < moved.length)
      throw new StaleEpochError(`lanes of ${build.location} were taken over, or PostgreSQL crashed`);
    for (const { lane, position } of moved) this.#stored.set(lane, position);
  }

  /**
   * Moves the marks. Throws RedisWentBackError when they are not where they were left; an emptied Redis gets them anew.
   */
  mark(lanes: readonly HeldLane[]): Promise<void> {
    return this.#alone(() => this.#mark(lanes));
  }

  /** Tells an emptied Redis whose the lanes are. Throws StaleEpochError when they are no longer this process's. */
  registerAgain(lanes: readonly HeldLane[]): Promise<void> {
    // Every lane that meets an emptied Redis asks for the same.
    this.#registering ??= this.#alone(() => this.#register(lanes)).finally(() => {
      this.#registering = undefined;
    });
    return this.#registering;
  }

  // Marks that another call moves meanwhile would look like a Redis that went back in time.
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#marking.then(work);
    this.#marking = done.catch(() => undefined);
    return done;
  }

  async #mark(lanes: readonly HeldLane[]): Promise<void> {
    const moves = lanes.flatMap(({ lane, epoch, position }) => {
      const from = this.#marked.get(lane);
      // Also where it stays: that it still stands there is the point.
      return from === undefined ? [] : [{ lane, epoch, from, to: position }];
    });
    try {
      if ((await this.#deps.indexes.mark(moves)) === 'elsewhere')
        throw new RedisWentBackError(`Redis came back with an older state of ${this.#deps.build.location}`);
    } catch (error) {
      if (!(error instanceof EpochUnknownError)) throw error;
      return this.#register(lanes);
    }
    for (const { lane, to } of moves) this.#marked.set(lane, to);
  }

  async #register(lanes: readonly HeldLane[]): Promise<void> {
    const { pool, indexes, build } = this.#deps;
    const [first] = lanes;
    if (first === undefined) return;
    if (!(await holdsLane(pool, build.id, first)))
      throw new StaleEpochError(`lanes of ${build.location} were taken over`);
    const known = lanes.map(({ lane, epoch, position }) => ({ lane, epoch, mark: position }));
    await indexes.takeOver(known);
    for (const { lane, mark } of known) this.#marked.set(lane, mark);
  }
}

function earlierOf(position: Position, mark: string | undefined): Position {
  const known = Position.safeParse(mark);
  return known.success && laterOf(known.data, position) === position ? known.data : position;
}
