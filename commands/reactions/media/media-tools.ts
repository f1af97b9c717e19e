import { logCdn, webhookCdn } from '../../../infra/object-store/cdn.ts';
import type { Config } from '../../../infra/process/config.ts';
import type { Own } from '../../../infra/process/lifecycle.ts';
import type { Log as Logger } from '../../../infra/process/log.ts';
import { openMediaStore } from '../../../infra/object-store/media-store.ts';
import { openRedis } from '../../../infra/redis/redis.ts';
import { createWishList } from '../../../infra/redis/work-queue.ts';
import { startMediaWorkers } from '../../../media/worker-pool.ts';
import { FORMAT_WISHES } from '../../../projections/queries/media-files.ts';

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
