import type { EventStore } from '../../infra/event-store/event-store.ts';
import type { Log } from '../../infra/process/log.ts';
import type { Pool } from '../../infra/postgres.ts';
import { listBuilds, setStopped, type Build } from '../builds/build-store.ts';
import { describe } from '../failures.ts';
import { ensureLiveBuild } from '../builds/switch-over.ts';
import { LaneBuild, type Ended, type LaneBuildDeps } from './lane-build.ts';
import type { LaneFeed, OpenLaneFeed } from './lane-feed.ts';
import type { LaneProjection } from '../lane-projection.ts';
import { Rests } from '../builds/rests.ts';
import { readSettings } from '../builds/settings.ts';

export type LanesOptions = {
  readonly pool: Pool;
  readonly store: Pick<EventStore, 'storeId'>;
  readonly log: Log;
  readonly projections: readonly LaneProjection[];
  readonly openFeed: OpenLaneFeed;
  readonly lanes: LaneBuildDeps;
  readonly intervalMs?: number;
};

const INTERVAL_MS = 500;

/**
 * Feeds the builds on Redis that this process ought to feed: live, previous and filled new ones of its code's versions,
 * unless they are paused or another process has their lanes. Looks again whenever builds or settings change.
 */
export class Lanes {
  readonly #of: LanesOptions;
  readonly #feed: LaneFeed;
  readonly #fed = new Map<number, LaneBuild>();
  /** The builds whose lanes are this process's. */
  readonly #taken = new Set<number>();
  /** Those that the feed was last told to follow the log for. */
  #followed: ReadonlySet<LaneBuild> = new Set();
  /** Stopped by an event, until an operator clears the stop. */
  readonly #halted = new Set<number>();
  /** Those whose lanes could not be opened: another process may have them meanwhile. */
  readonly #rests = new Rests();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;
  #trouble: string | undefined;

  constructor(options: LanesOptions) {
    this.#of = options;
    this.#feed = options.openFeed(() => {
      this.#lookSoon();
    });
  }

  /** Looks once, then goes on in the background. Rejects when PostgreSQL is away. Redis may come later. */
  async start(): Promise<void> {
    // In line with the looks that notifications ask for: two at a time would take the same lanes from each other.
    const first = this.#looking.then(() => this.#look());
    this.#looking = first.catch(() => undefined);
    await first;
    this.#timer = setInterval(() => {
      this.#lookSoon();
    }, this.#of.intervalMs ?? INTERVAL_MS);
  }

  /** The builds that this process feeds at this moment. */
  get fed(): readonly LaneBuild[] {
    return [...this.#fed.values()];
  }

  /** Why lanes do not move at this moment. */
  get trouble(): string | undefined {
    return (
      this.#trouble ??
      this.#feed.trouble ??
      this.fed.flatMap(({ workers }) => workers.flatMap(({ trouble }) => trouble ?? [])).at(0)
    );
  }

  /** Stops feeding and gives the lanes back. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#looking;
    await this.#follow(() => []);
    for (const id of [...this.#taken]) await this.#letGo(id);
    await this.#feed.close();
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
            this.#of.log.warn({ err: error }, 'lanes cannot be looked after at the moment');
          this.#trouble = describe(error);
        },
      );
  }

  async #look(): Promise<void> {
    const stands = await this.#feed.stand();
    const wanted = await this.#wanted();
    for (const id of [...this.#taken]) if (!stands || !wanted.some((build) => build.id === id)) await this.#letGo(id);
    const failures: unknown[] = [];
    // One that cannot be taken up is tried again by the next look; it holds up no other.
    for (const build of wanted) {
      if (this.#closed) break;
      await this.#takeUp(build).catch((error: unknown) => {
        failures.push(error);
      });
    }
    // Whoever has no builds left would read the whole log for nobody.
    const idle = this.#fed.size === 0 && this.#followed.size > 0;
    if (idle || this.fed.some((build) => !this.#followed.has(build))) await this.#follow(() => this.fed);
    if (failures.length > 0) throw failures[0];
  }

  async #wanted(): Promise<Build[]> {
    const { pool, projections, store } = this.#of;
    for (const projection of projections) await ensureLiveBuild(pool, { projection, storeId: store.storeId });
    const setting = await readSettings(pool);
    return (await listBuilds(pool)).filter(
      (build) =>
        build.store === 'redis' &&
        build.storeId === store.storeId &&
        !setting(build.projection).paused &&
        (build.state === 'live' || build.state === 'previous' || (build.state === 'building' && build.filled)) &&
        projections.some(({ name, version }) => name === build.projection && version === build.version),
    );
  }

  // A new process tries an event that stopped a build again: its code may hold the cure.
  async #isDue(build: Build): Promise<boolean> {
    if (build.stopped === undefined) {
      this.#halted.delete(build.id);
      return true;
    }
    if (this.#halted.has(build.id)) return false;
    await setStopped(this.#of.pool, build.id, undefined);
    return true;
  }

  async #takeUp(build: Build): Promise<void> {
    if (this.#fed.has(build.id)) return;
    const rest = this.#rests.of(build.id);
    if (rest !== undefined) throw rest.error;
    if (!(await this.#isDue(build))) return;
    const lanes = await this.#feed.take(build.id);
    if (lanes === undefined) return;
    this.#taken.add(build.id);
    const projection = this.#of.projections.find(({ name }) => name === build.projection);
    if (projection === undefined) throw new Error(`no code for ${build.projection}`);
    try {
      this.#fed.set(
        build.id,
        await LaneBuild.open(this.#of.lanes, { build, projection, lanes }, (ended) => {
          this.#ended(build, ended);
        }),
      );
      this.#rests.end(build.id);
    } catch (error) {
      this.#rests.begin(build.id, error);
      await this.#letGo(build.id);
      throw error;
    }
  }

  async #letGo(id: number): Promise<void> {
    const fed = this.#fed.get(id);
    this.#fed.delete(id);
    await fed?.close();
    await this.#feed.give(id);
    this.#taken.delete(id);
  }

  #ended(build: Build, ended: Ended): void {
    this.#looking = this.#looking
      .then(async () => {
        await this.#letGo(build.id);
        if ('lost' in ended) {
          this.#of.log.warn({ err: ended.lost, build: build.location }, 'lanes were lost and are taken again');
          return;
        }
        const { event, attempts, message } = ended.poison;
        this.#halted.add(build.id);
        this.#of.log.error(
          { projection: build.projection, build: build.id, event, err: ended.poison },
          'lanes stopped at an event that they cannot apply',
        );
        await setStopped(this.#of.pool, build.id, {
          eventId: event.id,
          type: event.type,
          streamId: event.streamId,
          position: event.position,
          error: message,
          attempts,
          at: new Date().toISOString(),
        });
      })
      .catch((error: unknown) => {
        this.#of.log.error({ err: error }, 'the end of lanes could not be noted');
      });
    this.#lookSoon();
  }

  async #follow(builds: () => readonly LaneBuild[]): Promise<void> {
    await this.#feed.follow(builds, new Set<string>(this.#of.projections.flatMap(({ handles }) => handles)));
    this.#followed = new Set(builds());
  }
}
