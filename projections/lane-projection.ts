import type { DomainEvent, EventType } from '../domain/event-log.ts';
import type { Entry, SortedIndexes, Writer } from '../infra/redis/sorted-index.ts';
import type { ReadContext } from './projection.ts';

/**
 * How much of fan-out is done. `all`: every feed that exists. `active`: only feeds that were read lately; the others
 * are made absent, and computed when their readers return. `none`: no feed exists, readers compute theirs.
 */
export type FanOutLevel = 'all' | 'active' | 'none';

/** Waits until so many more deliveries may be made. Rejects with an AbortError when `signal` says to stop waiting. */
export type Pace = (deliveries: number, signal?: AbortSignal) => Promise<void>;

/**
 * A read model in Redis, fed by lanes: all events of one owner pass through one lane, in log order. It is made of keys
 * that are absent or equal a definition over the PostgreSQL models.
 */
export type LaneProjection = {
  readonly store: 'redis';
  readonly name: string;
  /** Raised with every change of shape or meaning; a new version is built beside the old one. */
  readonly version: number;
  /** The PostgreSQL models that it reads: `apply` is called only once they have passed the batch. */
  readonly reads: readonly string[];
  readonly handles: readonly EventType[];
  /** The kinds of its keys that fan-out fills; they are absent while fan-out is stopped. */
  readonly fannedOut: readonly string[];
  /**
   * Applies events of some lanes, only of the types in `handles`, each lane's in log order. Events may come again: the
   * same batch twice has one effect.
   */
  readonly apply: (context: LaneContext, lanes: LaneGroup, events: readonly DomainEvent[]) => Promise<void>;
  /** Fills a new build from the definition for the keys that `from` holds (the build that readers use now). */
  readonly build: (
    context: LaneContext,
    options: { from: LaneContext | undefined; report: (keysDone: number) => void; signal: AbortSignal },
  ) => Promise<void>;
  /** The keys of the build that differ from the definition at this moment; traffic makes transient ones. */
  readonly differences: (
    context: LaneContext,
    options: { sample?: number; only?: readonly string[]; checked?: (keys: number) => void },
  ) => AsyncIterable<KeyDifference>;
};

/**
 * One build of a lane projection, and the PostgreSQL builds that it reads. `read` must be the primary, never a replica.
 */
export type LaneContext = {
  readonly read: ReadContext;
  readonly indexes: SortedIndexes;
  readonly prefix: string;
  readonly now: () => Date;
  /** How much of fan-out is done; all of it by default. */
  readonly level?: FanOutLevel;
  /** Holds deliveries to large audiences to a rate; none by default. */
  readonly pace?: Pace;
};

/**
 * Lanes whose events are handled together: who writes, and which ids are theirs (an event may concern other lanes too).
 */
export type LaneGroup = { readonly writers: readonly Writer[]; readonly owns: (id: string) => boolean };

/**
 * A key whose contents are not what the definition says; `broken` says why there is nothing to compare with, as in a
 * key of another type.
 */
export type KeyDifference = {
  readonly key: string;
  readonly live: readonly Entry[];
  readonly expected: readonly Entry[];
  readonly broken?: string;
};
