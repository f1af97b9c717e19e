import type { RedisClient } from './redis.ts';

/**
 * Work that somebody would like to see done. It is bounded, knows no repeats for a while, and may be lost: who wishes
 * for something asks again.
 */
export type WishList = {
  /** Adds a wish, unless it was added within the last hour. Beyond the bound the oldest one is dropped. */
  add(wish: string): Promise<void>;
  /** Takes the oldest wish off the list; null when there is none. */
  take(): Promise<string | null>;
};

const REMEMBERED_SECONDS = 3_600;

/** A list in Redis that all processes share under one name. */
export function createWishList(redis: RedisClient, { name, most = 10_000 }: { name: string; most?: number }): WishList {
  const key = `wishes:{${name}}`;
  return {
    add: async (wish) => {
      const isNew = await redis.set(`${key}:${wish}`, '1', 'EX', REMEMBERED_SECONDS, 'NX');
      if (isNew === null) return;
      await redis.lpush(key, wish);
      await redis.ltrim(key, 0, most - 1);
    },
    take: () => redis.rpop(key),
  };
}
