import { serversOf, type RedisClient } from '../infra/redis/redis.ts';

/** Empties one server's database, or all masters of a cluster. */
export async function emptyRedis(client: RedisClient): Promise<void> {
  await Promise.all(serversOf(client).map((server) => server.flushdb()));
}

/** The keys of one server's database, or of all masters of a cluster, that match a glob. */
export async function keysIn(client: RedisClient, pattern: string): Promise<string[]> {
  return (await Promise.all(serversOf(client).map((server) => server.keys(pattern)))).flat();
}

/** Calls to server-side functions so far, on all servers together. */
export async function functionCalls(client: RedisClient): Promise<number> {
  const stats = await Promise.all(serversOf(client).map((server) => server.info('commandstats')));
  return stats.reduce((sum, text) => sum + Number(/cmdstat_fcall:calls=(\d+)/.exec(text)?.[1] ?? 0), 0);
}
