import { setTimeout as delay } from 'node:timers/promises';
import { START_OF_LOG, type Position } from '../../domain/position.ts';
import type { RecordedEvent } from '../../domain/recorded-event.ts';
import type { Portion, ReadableLog } from '../../infra/event-store/event-store.ts';
import type { Log } from '../../infra/process/log.ts';
import { advance, applyShare, FencedError, shareOf, type Fed, type Share } from './apply-batch.ts';
import type { StoppedAt } from '../builds/build-store.ts';
import { moveCheckpoints, readCheckpoints } from '../builds/checkpoints.ts';
import { describe, isOutage, logTrouble } from '../failures.ts';
import { gather, type GatherLimits } from './batching.ts';
import { takeIn } from './decoding.ts';
import { applyCarefully, type Carefully } from './poison.ts';
import { traceProjected } from './trace-projected.ts';

export type FeedDeps = Carefully & {
  readonly store: ReadableLog;
  readonly log: Log;
  readonly limits: GatherLimits;
};

/** What a feed tells its runner. */
export type FeedListener = {
  /** A build could not apply a batch that ends at `upTo`; it has left the feed. */
  faltered(fed: Fed, upTo: Position): void;
  /** A build in careful mode met an event that it cannot pass, and has left the feed. */
  stopped(fed: Fed, at: StoppedAt): void;
  /** A build's row is gone; it has left the feed. */
  gone(fed: Fed): void;
  /** A group of events is handled; builds may move to another feed now. */
  handled(feed: Feed): void;
};

const LONGEST_PAUSE_MS = 5_000;

/**
 * One subscription that feeds any number of builds, from the lowest of their checkpoints. While a server is away it
 * tries again without end, each time from the checkpoints as they are stored. With `carefulUntil` it has one build and
 * takes event by event up to there, to find the one that cannot be applied.
 */
export class Feed {
  readonly members = new Map<number, Fed>();
  /** The last event that has been taken to be handled: builds at or after it may join. */
  claimed: Position = START_OF_LOG;
  /** Whether it has a subscription, so that `claimed` means something. */
  open = false;
  carefulUntil: Position | undefined;
  /** What keeps it from making progress at this moment. */
  trouble: string | undefined;
  readonly #deps: FeedDeps;
  readonly #listener: FeedListener;
  readonly #closing = new AbortController();
  #failures = 0;
  #running: Promise<void> | undefined;

  constructor(deps: FeedDeps, listener: FeedListener, carefulUntil?: Position) {
    this.#deps = deps;
    this.#listener = listener;
    this.carefulUntil = carefulUntil;
  }

  /** Feeds until the feed is closed or has no members left. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Takes a build out; a transaction that is under way ends by itself, fenced by its checkpoint. */
  remove(buildId: number): boolean {
    const removed = this.members.delete(buildId);
    if (this.members.size === 0) this.#closing.abort();
    return removed;
  }

  /** Ends the subscription; resolves when no transaction of the feed is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await this.#follow();
      } catch (error) {
        this.open = false;
        await this.#pauseAfter(error);
      }
    }
    this.open = false;
  }

  async #follow(): Promise<void> {
    await this.#readCheckpoints();
    // An order to close that came meanwhile would find no subscription to end.
    if (this.members.size === 0 || this.#closing.signal.aborted) return;
    const after = [...this.members.values()]
      .map(({ position }) => position)
      .reduce((low, position) => (position < low ? position : low));
    this.claimed = after;
    this.open = true;
    const subscription = new AbortController();
    const end = () => {
      subscription.abort();
    };
    this.#closing.signal.addEventListener('abort', end, { once: true });
    try {
      for await (const group of gather(
        this.#deps.store.subscribe({ after, signal: subscription.signal }),
        this.#deps.limits,
      )) {
        if (this.#closing.signal.aborted) return;
        await this.#handle(group);
        this.#failures = 0;
        this.trouble = undefined;
        this.#listener.handled(this);
      }
    } finally {
      this.#closing.signal.removeEventListener('abort', end);
      end();
    }
  }

  async #readCheckpoints(): Promise<void> {
    // A build that joins while this waits brings its own checkpoint.
    const known = [...this.members.values()];
    const checkpoints = await readCheckpoints(
      this.#deps.pool,
      known.map(({ build }) => build.id),
    );
    for (const fed of known) {
      const checkpoint = checkpoints.get(fed.build.id);
      if (checkpoint === undefined) {
        this.remove(fed.build.id);
        this.#listener.gone(fed);
        continue;
      }
      fed.position = checkpoint.position;
      fed.events = checkpoint.events;
    }
  }

  async #handle(group: Portion): Promise<void> {
    this.claimed = (group.at(-1) ?? group[0]).position;
    if (this.carefulUntil !== undefined) await this.#handleCarefully(group, this.carefulUntil);
    else await this.#handleTogether(group);
  }

  async #handleTogether(group: Portion): Promise<void> {
    const members = [...this.members.values()];
    const batch = await takeIn(
      group,
      new Set(members.flatMap(({ projection }) => projection.handles)),
      this.#deps.keys,
    );
    const shares = members.flatMap((fed) => {
      const share = shareOf(fed, batch);
      return share === undefined ? [] : [{ fed, share }];
    });
    const outcomes = await Promise.allSettled([
      this.#passOver(shares.filter(({ share }) => share.handled.length === 0)),
      ...shares.filter(({ share }) => share.handled.length > 0).map(({ fed, share }) => this.#apply(fed, share)),
    ]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  // One statement for all builds that the events do not concern.
  async #passOver(shares: readonly { fed: Fed; share: Share }[]): Promise<void> {
    if (shares.length === 0) return;
    const moved = await moveCheckpoints(
      this.#deps.pool,
      shares.map(({ share }) => share.step),
    );
    for (const { fed, share } of shares) if (moved.has(fed.build.id)) advance(fed, share.step);
    if (moved.size < shares.length) throw new FencedError('another runner moved a checkpoint');
  }

  async #apply(fed: Fed, share: Share): Promise<void> {
    const startedAt = new Date();
    try {
      await applyShare(this.#deps.pool, fed, share, this.#deps.alongside);
      traceProjected(fed.projection.name, share, startedAt);
    } catch (error) {
      if (error instanceof FencedError || isOutage(error)) throw error;
      if (!this.remove(fed.build.id)) return;
      this.#deps.log.warn(
        { projection: fed.projection.name, build: fed.build.id, err: error },
        'a batch could not be applied; looking for the event',
      );
      this.#listener.faltered(fed, share.step.to);
    }
  }

  async #handleCarefully(group: readonly RecordedEvent[], until: Position): Promise<void> {
    const [fed] = this.members.values();
    if (fed === undefined) return;
    const stopped = await applyCarefully(this.#deps, fed, group);
    if (stopped !== undefined) {
      if (this.remove(fed.build.id)) this.#listener.stopped(fed, stopped);
    } else if (this.claimed >= until) {
      this.carefulUntil = undefined;
    }
  }

  async #pauseAfter(error: unknown): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.trouble = describe(error);
    this.#failures += 1;
    const pauseMs = error instanceof FencedError ? 20 : Math.min(50 * 2 ** this.#failures, LONGEST_PAUSE_MS);
    logTrouble(this.#deps.log, error, { pauseMs }, 'feeding was interrupted and goes on from the stored checkpoints');
    await delay(pauseMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
  }
}
