import { Cluster, Redis, type RedisOptions } from 'ioredis';

/** One server or a cluster; callers use only commands whose keys share a slot. */
export type RedisClient = Redis | Cluster;

/**
 * Opens Redis from REDIS_URL (several addresses, comma-separated, mean a cluster). Commands fail fast while it is away
 * (no offline queue), so that a reader falls back to PostgreSQL instead of waiting; the client reconnects by itself.
 */
export function openRedis(url: string, options: { commandTimeoutMs?: number } = {}): RedisClient {
  const addresses = url.split(',').map((part) => part.trim());
  const common = { enableOfflineQueue: false, maxRetriesPerRequest: 1, commandTimeout: options.commandTimeoutMs ?? 5_000 };
  const client = addresses.length > 1
    ? new Cluster(addresses, { redisOptions: { ...common, ...credentialsIn(addresses[0] ?? url) }, enableOfflineQueue: false })
    : new Redis(addresses[0] ?? url, { ...common, retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, 2_000) });
  // Without a listener a lost connection would end the process; commands already report it to their callers.
  client.on('error', () => undefined);
  return client;
}

// A cluster tells its clients the addresses of nodes that REDIS_URL does not name, but neither user nor password nor TLS.
function credentialsIn(address: string): Pick<RedisOptions, 'username' | 'password' | 'tls'> {
  const { protocol, username, password } = new URL(address);
  return {
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' && { tls: {} }),
  };
}

/** Resolves when the client can take commands; rejects after `limitMs`. */
export async function whenRedisReady(client: RedisClient, limitMs: number): Promise<void> {
  if (client.status === 'ready') return;
  await new Promise<void>((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`Redis did not answer within ${limitMs} ms; check REDIS_URL`)), limitMs);
    client.once('ready', () => { clearTimeout(limit); resolve(); });
  });
}
