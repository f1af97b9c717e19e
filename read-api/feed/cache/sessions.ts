import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { AccountId } from '../../../domain/ids.ts';
import type { CircuitBreaker } from '../../../infra/process/circuit-breaker.ts';
import type { RedisClient } from '../../../infra/redis/redis.ts';
import { keysOf } from '../../../projections/lane-keys.ts';

/** One post in the order that a session keeps; a recommended one needs no follow. */
export type Ranked = { readonly id: string; readonly recommended: boolean };

/**
 * The order of a first page, kept for the pages after it; from `relaxedFrom` on it has too few authors for three posts
 * of each on a page.
 */
export type FeedSession = {
  readonly id: string;
  readonly startedAt: number;
  readonly ranked: readonly Ranked[];
  readonly relaxedFrom: number;
};

export type FeedSessions = {
  /**
   * Keeps an order for ten minutes; one that is kept already goes on in its session. Resolves also when Redis is away:
   * later pages then find it only in this process.
   */
  begin(
    viewer: AccountId,
    startedAt: number,
    order: Pick<FeedSession, 'ranked' | 'relaxedFrom'>,
  ): { session: FeedSession; kept: Promise<void> };
  /** The session that the viewer began last in this process, if it is still known. */
  latest(viewer: AccountId): FeedSession | undefined;
  /** The viewer's own session, if it is still known. */
  find(viewer: AccountId, id: string): Promise<FeedSession | undefined>;
};

const LIFETIME_MS = 600_000;
const REMEMBERED = 2_000;
const PREFIX = 'post_';
const RECOMMENDED = '+';

/** Sessions in Redis, and a number of them in this process as well. */
export function createFeedSessions({ redis, circuit }: { redis: RedisClient; circuit: CircuitBreaker }): FeedSessions {
  const remembered = new LRUCache<string, FeedSession>({ max: REMEMBERED, ttl: LIFETIME_MS });
  const newest = new LRUCache<string, FeedSession>({ max: REMEMBERED, ttl: LIFETIME_MS });
  const begun = new WeakMap<Pick<FeedSession, 'ranked' | 'relaxedFrom'>, FeedSession>();
  const keyOf = keysOf('feed_sessions', 'session');
  return {
    begin: (viewer, startedAt, order) => {
      const known = begun.get(order);
      if (known !== undefined) return { session: known, kept: Promise.resolve() };
      const { ranked, relaxedFrom } = order;
      const session: FeedSession = { id: randomUUID(), startedAt, ranked, relaxedFrom };
      const key = keyOf(`${viewer}/${session.id}`);
      remembered.set(key, session);
      newest.set(viewer, session);
      const kept = circuit
        .execute(() => redis.set(key, packed(session), 'PX', LIFETIME_MS))
        .then(
          () => {
            begun.set(order, session);
          },
          () => undefined,
        );
      return { session, kept };
    },
    latest: (viewer) => newest.get(viewer),
    find: async (viewer, id) => {
      const key = keyOf(`${viewer}/${id}`);
      const known = remembered.get(key);
      if (known !== undefined) return known;
      const text = await circuit.execute(() => redis.get(key)).catch(() => null);
      return text === null ? undefined : unpacked(id, text);
    },
  };
}

// The common prefix of post ids is left out: sessions are many.
function packed({ startedAt, ranked, relaxedFrom }: FeedSession): string {
  return [
    String(startedAt),
    String(relaxedFrom),
    ...ranked.map(({ id, recommended }) => (recommended ? RECOMMENDED : '') + id.slice(PREFIX.length)),
  ].join(' ');
}

function unpacked(id: string, text: string): FeedSession {
  const [startedAt = '0', relaxedFrom = '0', ...words] = text.split(' ');
  const ranked = words.map((word) =>
    word.startsWith(RECOMMENDED)
      ? { id: PREFIX + word.slice(RECOMMENDED.length), recommended: true }
      : { id: PREFIX + word, recommended: false },
  );
  return { id, startedAt: Number(startedAt), ranked, relaxedFrom: Number(relaxedFrom) };
}
