import type { EventStore } from '../../infra/event-store/event-store.ts';
import type { Log } from '../../infra/process/log.ts';
import type { Pool } from '../../infra/postgres.ts';
import { announceEverything } from './invalidation.ts';
import { listBuilds, setStopped, type Build } from '../builds/build-store.ts';
import { readCheckpoints, StoreMismatchError } from '../builds/checkpoints.ts';
import { describe } from '../failures.ts';
import { ensureLiveBuild } from '../builds/switch-over.ts';
import { Leases } from '../builds/leases.ts';
import type { PostgresProjection } from '../projection.ts';
import { Rests } from '../builds/rests.ts';
import type { Runner } from './runner.ts';
import { readSettings } from '../builds/settings.ts';

export type Supervision = {
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly store: Pick<EventStore, 'storeId'>;
  readonly log: Log;
  readonly projections: readonly PostgresProjection[];
  readonly runner: Runner;
  readonly intervalMs?: number;
};

const INTERVAL_MS = 500;

/**
 * Keeps a runner feeding what this process ought to feed: the live and the previous builds of its code's versions,
 * unless they are paused or another process has their lease. Looks again whenever builds or settings change, and at
 * intervals.
 */
export class Supervisor {
  readonly #of: Supervision;
  readonly #attached = new Set<number>();
  readonly #refused = new Map<string, string>();
  readonly #stopsSeen = new Set<number>();
  /** Builds that could not be attached: another process may have them meanwhile. */
  readonly #rests = new Rests();
  #leases: Leases | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;
  #trouble: string | undefined;
  /** What the first of the builds met that rest. */
  #resting: string | undefined;

  constructor(supervision: Supervision) {
    this.#of = supervision;
  }

  /**
   * Looks once, so that builds exist and are fed when it resolves, then goes on in the background. Rejects when
   * PostgreSQL is away.
   */
  async start(): Promise<void> {
    // In line with the looks that notifications ask for: one look at a time.
    const first = this.#looking.then(() => this.#look());
    this.#looking = first.catch(() => undefined);
    await first;
    this.#timer = setInterval(() => {
      this.#lookSoon();
    }, this.#of.intervalMs ?? INTERVAL_MS);
  }

  /** Projections that are not fed because their builds belong to another log, with what to do about it. */
  get refused(): ReadonlyMap<string, string> {
    return this.#refused;
  }

  /** Why it cannot look after the builds at this moment. */
  get trouble(): string | undefined {
    return this.#trouble ?? this.#resting;
  }

  /** Stops feeding and gives the leases back. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#looking;
    await this.#of.runner.close();
    await this.#leases?.close();
  }

  // One look at a time; changes that come meanwhile are seen by the next.
  #lookSoon(): void {
    this.#looking = this.#looking
      .then(() => (this.#closed ? undefined : this.#look()))
      .then(
        () => {
          this.#trouble = undefined;
        },
        (error: unknown) => {
          if (this.#trouble !== describe(error))
            this.#of.log.warn({ err: error }, 'builds cannot be looked after at the moment');
          this.#trouble = describe(error);
        },
      );
  }

  async #look(): Promise<void> {
    const leases = await this.#openLeases();
    const builds = await this.#withFirstBuilds();
    const setting = await readSettings(this.#of.pool);
    const wanted = builds.filter((build) => this.#isOurs(build) && !setting(build.projection).paused);
    await this.#letGo(leases, new Set(wanted.map(({ id }) => id)));
    await this.#takeUp(leases, wanted);
  }

  async #openLeases(): Promise<Leases> {
    if (this.#leases !== undefined && (await this.#leases.stand())) return this.#leases;
    // Without the connection the leases are gone: let others have the builds until they are taken again.
    for (const id of this.#attached) await this.#of.runner.detach(id);
    this.#attached.clear();
    this.#leases = await Leases.open(this.#of.databaseUrl, {
      onLost: () => {
        this.#lookSoon();
      },
      onChange: () => {
        this.#lookSoon();
      },
    });
    return this.#leases;
  }

  async #withFirstBuilds(): Promise<Build[]> {
    const { pool, projections, store, log } = this.#of;
    const builds = await listBuilds(pool);
    for (const projection of projections) {
      if (
        builds.some(
          (build) => build.projection === projection.name && (build.state === 'live' || build.state === 'building'),
        )
      )
        continue;
      const first = await ensureLiveBuild(pool, { projection, storeId: store.storeId });
      if (first === undefined) continue;
      log.info({ projection: projection.name, build: first.id }, 'made the first build');
      builds.push({ ...first, state: 'live' });
    }
    return builds;
  }

  #isOurs(build: Build): boolean {
    if (build.state !== 'live' && build.state !== 'previous') return false;
    const projection = this.#of.projections.find(({ name }) => name === build.projection);
    if (projection === undefined || projection.version !== build.version) return false;
    if (build.storeId !== this.#of.store.storeId) {
      if (build.state === 'live') this.#refuse(build);
      return false;
    }
    if (build.state === 'live') this.#refused.delete(build.projection);
    return true;
  }

  #refuse(build: Build): void {
    const { message } = new StoreMismatchError(build, this.#of.store.storeId);
    if (this.#refused.get(build.projection) !== message) this.#of.log.error({ projection: build.projection }, message);
    this.#refused.set(build.projection, message);
  }

  async #letGo(leases: Leases, wanted: ReadonlySet<number>): Promise<void> {
    for (const id of [...this.#attached].filter((one) => !wanted.has(one))) {
      await this.#of.runner.detach(id);
      await leases.give(id);
      this.#attached.delete(id);
      this.#stopsSeen.delete(id);
    }
  }

  async #takeUp(leases: Leases, wanted: readonly Build[]): Promise<void> {
    const fresh: Build[] = [];
    try {
      for (const build of wanted) if (await this.#isDue(leases, build)) fresh.push(build);
      if (fresh.length > 0) await this.#attach(leases, fresh);
    } catch (error) {
      for (const { id } of wanted.filter((build) => leases.holds(build.id) && !this.#attached.has(build.id))) {
        this.#rests.begin(id, error);
        await leases.give(id).catch(() => undefined);
      }
      throw error;
    }
    this.#resting = wanted
      .flatMap(({ id }) => this.#rests.of(id) ?? [])
      .map(({ error }) => describe(error))
      .at(0);
  }

  async #attach(leases: Leases, fresh: readonly Build[]): Promise<void> {
    const checkpoints = await readCheckpoints(
      this.#of.pool,
      fresh.map(({ id }) => id),
    );
    const ready = fresh.flatMap((build) => {
      const checkpoint = checkpoints.get(build.id);
      const projection = this.#of.projections.find(({ name }) => name === build.projection);
      return checkpoint === undefined || projection === undefined
        ? []
        : [{ build, projection, position: checkpoint.position, events: checkpoint.events }];
    });
    // Whoever fed them before may have been killed between a change and its announcement, or was of an older release.
    if (ready.some(({ build }) => build.state === 'live')) await announceEverything(this.#of.pool);
    for (const { build } of ready) {
      this.#attached.add(build.id);
      this.#rests.end(build.id);
    }
    this.#of.runner.attach(ready);
    for (const { id, location } of fresh.filter((build) => !checkpoints.has(build.id))) {
      this.#rests.begin(id, new Error(`${location} has no checkpoint`));
      await leases.give(id);
    }
  }

  // Not attached yet and free to take; or stopped by an event until an operator cleared the stop.
  async #isDue(leases: Leases, build: Build): Promise<boolean> {
    if (!this.#attached.has(build.id)) {
      if (this.#rests.of(build.id) !== undefined) return false;
      if (!(await leases.take(build.id))) return false;
      // A new process tries again: its code may hold the cure.
      if (build.stopped !== undefined) await setStopped(this.#of.pool, build.id, undefined);
      return true;
    }
    if (build.stopped !== undefined) {
      this.#stopsSeen.add(build.id);
      return false;
    }
    return this.#stopsSeen.delete(build.id);
  }
}
