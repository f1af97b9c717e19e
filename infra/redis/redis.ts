import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis';

/** One server or a cluster; callers use only commands whose keys share a slot. */
export type RedisClient = Redis | Cluster;

export type RedisClientOptions = {
  /** How long a command may take; default 5 s. */
  readonly commandTimeoutMs?: number;
  /** Where the nodes of a cluster are reached, if not at the addresses that the cluster tells. */
  readonly natMap?: NonNullable<ClusterOptions['natMap']>;
};

/**
 * Opens Redis from REDIS_URL (several addresses, comma-separated, mean a cluster). Commands fail fast while it is away
 * (no offline queue), so that a reader falls back to PostgreSQL instead of waiting; the client reconnects by itself.
 */
export function openRedis(url: string, options: RedisClientOptions = {}): RedisClient {
  const addresses = url.split(',').map((part) => part.trim());
  const common = {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: options.commandTimeoutMs ?? 5_000,
  };
  const client =
    addresses.length > 1
      ? new Cluster(addresses, {
          redisOptions: { ...common, ...credentialsIn(addresses[0] ?? url) },
          enableOfflineQueue: false,
          ...(options.natMap !== undefined && { natMap: options.natMap }),
        })
      : new Redis(addresses[0] ?? url, { ...common, retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, 2_000) });
  // Without a listener a lost connection would end the process; commands already report it to their callers.
  client.on('error', () => undefined);
  return client;
}

/** The servers that hold the keys: the only one, or the masters of a cluster that are known at this moment. */
export function serversOf(client: RedisClient): readonly Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client];
}

/**
 * The same, for who has to miss nothing that they hold: throws while a master of a cluster is not known because it is
 * away.
 */
export function allServersOf(client: RedisClient): readonly Redis[] {
  const servers = serversOf(client);
  if (client instanceof Redis) return servers;
  const known = new Set(servers.map(({ options }) => `${String(options.host)}:${String(options.port)}`));
  const away = new Set(client.slots.flatMap(([master]) => (master === undefined || known.has(master) ? [] : [master])));
  if (known.size === 0 || away.size > 0)
    throw new Error(`Cluster isn't ready: ${[...away].join(', ') || 'every master'} is away`);
  return servers;
}

// A cluster tells its clients the addresses of nodes that REDIS_URL does not name, but neither user nor password nor
// TLS.
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
    const limit = setTimeout(
      () => reject(new Error(`Redis did not answer within ${limitMs} ms; check REDIS_URL`)),
      limitMs,
    );
    client.once('ready', () => {
      clearTimeout(limit);
      resolve();
    });
  });
}
