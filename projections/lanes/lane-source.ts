import { setTimeout as delay } from 'node:timers/promises';
import type { Position } from '../../domain/position.ts';
import type { ReadableLog } from '../../infra/event-store/event-store.ts';
import type { Log } from '../../infra/process/log.ts';
import type { DataKeys } from '../../infra/vault/personal-data.ts';
import { describe, logTrouble } from '../failures.ts';
import { gather, type GatherLimits } from '../runner/batching.ts';
import { takeIn, type TakenEvent } from '../runner/decoding.ts';

/**
 * From where to follow the log, which types are wanted, and where groups go: their events, and the place that they end
 * at.
 */
export type Following = {
  readonly after: Position;
  readonly handled: ReadonlySet<string>;
  readonly signal: AbortSignal;
  readonly deliver: (events: readonly TakenEvent[], passed: Position) => Promise<void>;
};

/**
 * Where lanes get their events from, in the order of the log; it waits for the consumer before it hands out the next
 * group.
 */
export type LaneSource = {
  /** Hands out groups until `signal`; a server that is away is waited for. */
  follow(following: Following): Promise<void>;
  /** Why nothing comes at this moment. */
  readonly trouble: string | undefined;
};

type SourceDeps = {
  readonly store: ReadableLog;
  readonly keys: DataKeys;
  readonly log: Log;
  readonly limits: GatherLimits;
};

const LONGEST_PAUSE_MS = 5_000;

/**
 * Lanes inside this process: a catch-up subscription to the log. A subscription that ends is opened again from the last
 * group.
 */
export function createLogSource({ store, keys, log, limits }: SourceDeps): LaneSource {
  let trouble: string | undefined;
  const followOnce = async (place: { from: Position }, { handled, signal, deliver }: Following) => {
    const subscription = new AbortController();
    const end = () => {
      subscription.abort();
    };
    signal.addEventListener('abort', end, { once: true });
    try {
      for await (const group of gather(store.subscribe({ after: place.from, signal: subscription.signal }), limits)) {
        if (signal.aborted) return;
        const passed = group.at(-1)?.position ?? place.from;
        await deliver((await takeIn(group, handled, keys)).events, passed);
        place.from = passed;
        trouble = undefined;
      }
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
  };
  return {
    get trouble() {
      return trouble;
    },
    follow: async (following) => {
      const place = { from: following.after };
      for (let failures = 0; !following.signal.aborted;) {
        await followOnce(place, following).catch((error: unknown) => {
          failures = trouble === undefined ? 1 : failures + 1;
          trouble = describe(error);
          if (!following.signal.aborted) logTrouble(log, error, {}, 'lanes get no events at the moment');
        });
        if (!following.signal.aborted)
          await delay(Math.min(50 * 2 ** failures, LONGEST_PAUSE_MS), undefined, { signal: following.signal }).catch(
            () => undefined,
          );
      }
    },
  };
}
