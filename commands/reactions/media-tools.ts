import { logCdn, webhookCdn } from '../../infra/cdn.ts';
import type { Config } from '../../infra/config.ts';
import type { Own } from '../../infra/lifecycle.ts';
import type { Log as Logger } from '../../infra/log.ts';
import { openMediaStore } from '../../infra/media-store.ts';
import { openRedis } from '../../infra/redis.ts';
import { createWishList } from '../../infra/wish-list.ts';
import { startMediaWorkers } from '../../media/worker-pool.ts';
import { FORMAT_WISHES } from '../../projections/media-files.ts';

/** Opens what the reactions to media work with; it is closed with the process. */
export function openMediaTools(config: Config, log: Logger, own: Own) {
  const media = openMediaStore(config);
  own(media.objects, (each) => each.close());
  const workers = own(startMediaWorkers({ workers: config.MEDIA_WORKERS }), (each) => each.close());
  const redis = own(openRedis(config.REDIS_URL), (each) => {
    each.disconnect();
  });
  return {
    media,
    objects: media.objects,
    workers,
    wishes: createWishList(redis, { name: FORMAT_WISHES }),
    cdn: config.CDN_PURGE_URL === undefined ? logCdn(log) : webhookCdn(config.CDN_PURGE_URL),
    ...(media.kind === 's3' && media.pair !== undefined ? { replicate: media.pair.replicate } : {}),
  };
}
