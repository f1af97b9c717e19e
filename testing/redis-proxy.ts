import { openRedis, type RedisClient } from '../infra/redis/redis.ts';
import { openTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** A proxy in front of a Redis, or of each master of a cluster, all of which are cut, slow or whole together. */
export type RedisProxy = Omit<TcpProxy, 'port' | 'sent'> & {
  /** A client that reaches Redis only through the proxy. */
  client(): RedisClient;
};

/** `url` is what REDIS_URL would say of the servers themselves. */
export async function openRedisProxy(url: string): Promise<RedisProxy> {
  const ways = await Promise.all(
    url.split(',').map(async (address) => {
      const direct = new URL(address);
      const proxy = await openTcpProxy({ host: direct.hostname, port: Number(direct.port) });
      const through = new URL(direct);
      through.host = `127.0.0.1:${String(proxy.port)}`;
      return { direct, proxy, through };
    }),
  );
  const proxies = ways.map(({ proxy }) => proxy);
  return {
    // Masters tell their clients where they themselves listen.
    client: () =>
      openRedis(ways.map(({ through }) => through.href).join(','), {
        natMap: Object.fromEntries(
          ways.map(({ direct, proxy }) => [direct.host, { host: '127.0.0.1', port: proxy.port }]),
        ),
      }),
    cut: () => {
      for (const proxy of proxies) proxy.cut();
    },
    slow: (ms) => {
      for (const proxy of proxies) proxy.slow(ms);
    },
    mend: () => {
      for (const proxy of proxies) proxy.mend();
    },
    close: async () => {
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };
}
