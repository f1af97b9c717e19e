import type { RedisClient } from '../../infra/redis/redis.ts';
import { createSortedIndexes } from '../../infra/redis/sorted-indexes.ts';
import { BUCKETS } from '../lane-keys.ts';

/** Removes every key of a build on Redis, its registry of lanes included, a bounded number at a time. */
export async function removeKeys(redis: RedisClient, prefix: string): Promise<void> {
  const indexes = createSortedIndexes(redis, { prefix: `${prefix}:`, buckets: BUCKETS });
  for await (const keys of indexes.scan(`${prefix}:`)) await Promise.all(keys.map((key) => redis.unlink(key)));
}
