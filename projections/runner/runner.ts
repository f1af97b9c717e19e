import type { Position } from '../../domain/position.ts';
import type { Fed } from './apply-batch.ts';
import { setStopped, type Build, type StoppedAt } from '../builds/build-store.ts';
import { StoreMismatchError } from '../builds/checkpoints.ts';
import { Feed, type FeedDeps, type FeedListener } from './subscription.ts';
import type { PostgresProjection } from '../projection.ts';

/** How a fed build stands at this moment. */
export type FedState = {
  readonly build: Build;
  readonly position: Position;
  readonly events: number;
  readonly state: 'following' | 'retrying' | 'stopped';
  /** Why it is retrying or stopped. */
  readonly trouble: string | undefined;
  readonly stopped: StoppedAt | undefined;
};

/** Builds further apart than this many events do not share a subscription: the one behind would hold up the others. */
const NEAR_EVENTS = 20_000;

/**
 * Feeds PostgreSQL builds from the log. One subscription feeds all that stand close together; one that is far behind
 * catches up on its own and then joins them; one that an event stops leaves the others alone.
 */
export class Runner {
  readonly #deps: FeedDeps;
  readonly #feeds = new Set<Feed>();
  readonly #stopped = new Map<number, { fed: Fed; at: StoppedAt }>();
  readonly #onStopped: (fed: Fed, at: StoppedAt) => void;
  #closed = false;

  constructor(deps: FeedDeps, onStopped: (fed: Fed, at: StoppedAt) => void = () => undefined) {
    this.#deps = deps;
    this.#onStopped = onStopped;
  }

  /**
   * Starts to feed builds from their checkpoints. Throws StoreMismatchError for one that was made from another log. The
   * caller holds their leases; two runners with one build by mistake slow each other down but write nothing twice.
   */
  attach(
    builds: readonly { build: Build; projection: PostgresProjection; position: Position; events: number }[],
  ): void {
    for (const { build } of builds)
      if (build.storeId !== this.#deps.store.storeId) throw new StoreMismatchError(build, this.#deps.store.storeId);
    for (const one of [...builds].sort((a, b) => a.events - b.events)) {
      this.#stopped.delete(one.build.id);
      this.#place({ ...one, handled: new Set<string>(one.projection.handles) });
    }
  }

  /** Stops feeding a build; resolves when nothing of it is under way. */
  async detach(buildId: number): Promise<void> {
    this.#stopped.delete(buildId);
    for (const feed of [...this.#feeds]) {
      if (!feed.remove(buildId)) continue;
      if (feed.members.size === 0) await this.#end(feed);
    }
  }

  /** The builds that are fed, or were until an event stopped them. */
  states(): FedState[] {
    const fed = [...this.#feeds].flatMap((feed) => [...feed.members.values()].map((one) => stateIn(feed, one)));
    const stopped = [...this.#stopped.values()].map(({ fed: { build, position, events }, at }) => ({
      build,
      position,
      events,
      state: 'stopped' as const,
      trouble: at.error,
      stopped: at,
    }));
    return [...fed, ...stopped];
  }

  /** Ends all subscriptions; resolves when no transaction is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#feeds].map((feed) => this.#end(feed)));
  }

  #place(fed: Fed): void {
    const host = [...this.#feeds].find(
      (feed) => feed.carefulUntil === undefined && mayJoin(feed, fed) && isNear(feed, fed),
    );
    if (host === undefined) this.#begin(fed);
    else host.members.set(fed.build.id, fed);
  }

  #begin(fed: Fed, carefulUntil?: Position): void {
    if (this.#closed) return;
    const feed = new Feed(this.#deps, this.#listener, carefulUntil);
    feed.members.set(fed.build.id, fed);
    this.#feeds.add(feed);
    // Builds that are attached in the same turn join before the subscription is opened.
    queueMicrotask(() => {
      feed.start();
    });
  }

  async #end(feed: Feed): Promise<void> {
    this.#feeds.delete(feed);
    await feed.close();
  }

  readonly #listener: FeedListener = {
    faltered: (fed, upTo) => {
      this.#begin(fed, upTo);
    },
    stopped: (fed, at) => {
      this.#stopped.set(fed.build.id, { fed, at });
      this.#deps.log.error(
        { projection: fed.projection.name, build: fed.build.id, event: at },
        'a projection stopped at an event that it cannot apply',
      );
      setStopped(this.#deps.pool, fed.build.id, at).catch((error: unknown) => {
        this.#deps.log.error({ err: error }, 'the stop could not be noted');
      });
      this.#onStopped(fed, at);
      this.#dropEmpty();
    },
    gone: (fed) => {
      this.#deps.log.info({ projection: fed.projection.name, build: fed.build.id }, 'the build is gone');
      this.#dropEmpty();
    },
    handled: (feed) => {
      this.#merge(feed);
      this.#dropEmpty();
    },
  };

  // Between two groups of its own a feed hands its builds to one that has taken nothing beyond what they have handled.
  #merge(feed: Feed): void {
    if (feed.carefulUntil !== undefined) return;
    const host = [...this.#feeds].find(
      (other) => other !== feed && other.carefulUntil === undefined && other.open && other.claimed <= feed.claimed,
    );
    if (host === undefined) return;
    for (const fed of [...feed.members.values()]) {
      if (!mayJoin(host, fed)) continue;
      feed.remove(fed.build.id);
      host.members.set(fed.build.id, fed);
    }
  }

  #dropEmpty(): void {
    for (const feed of this.#feeds) if (feed.members.size === 0) this.#feeds.delete(feed);
  }
}

function mayJoin(feed: Feed, fed: Fed): boolean {
  return !feed.open || feed.claimed <= fed.position;
}

function isNear(feed: Feed, fed: Fed): boolean {
  return [...feed.members.values()].some(({ events }) => Math.abs(events - fed.events) <= NEAR_EVENTS);
}

function stateIn(feed: Feed, { build, position, events }: Fed): FedState {
  const retrying = feed.trouble !== undefined || feed.carefulUntil !== undefined;
  return {
    build,
    position,
    events,
    state: retrying ? 'retrying' : 'following',
    trouble: feed.trouble,
    stopped: undefined,
  };
}
