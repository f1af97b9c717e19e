import { randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId } from '../../../domain/ids.ts';
import { mediaDecider } from '../../../domain/media.ts';
import { streamOf } from '../../../domain/streams.ts';
import { openRedis, whenRedisReady } from '../../../infra/redis/redis.ts';
import { createWishList } from '../../../infra/redis/work-queue.ts';
import { startMediaWorkers, type MediaWorkers } from '../../../media/worker-pool.ts';
import { openContentWorld, type ContentWorld } from '../../../testing/content-world.ts';
import { eventually } from '../../../testing/projector-world.ts';
import { createTestRedis } from '../../../testing/redis.ts';
import { handle } from '../../handle.ts';
import { startFormatWork } from './format-work.ts';
import { FormatWish, makeFormat } from './make-format.ts';
import { makeMedia } from './make-media.ts';

let world: ContentWorld;
let workers: MediaWorkers;
let ann: AccountId;
beforeAll(async () => {
  world = await openContentWorld();
  workers = startMediaWorkers({ workers: 1 });
  ann = await world.account();
});
afterAll(async () => {
  await workers.close();
  await world.close();
});

async function picture(): Promise<MediaId> {
  const mediaId = await world.uploaded(ann);
  expect(await makeMedia({ ...world, workers }, world.as('system'), { mediaId })).toBe('processed');
  return mediaId;
}
const make = (mediaId: MediaId, contentType: 'image/avif' | 'image/jpeg' = 'image/avif') =>
  makeFormat({ ...world, workers }, world.as('system'), { mediaId, contentType });
const typesOf = (mediaId: MediaId) => world.types(streamOf.media(mediaId));
async function variantsOf(mediaId: MediaId) {
  const state = await world.mediaState(mediaId);
  return state.status === 'processed' ? state.variants : [];
}

describe('another format of a picture', () => {
  it('is made in every size, beside what there is', async () => {
    const mediaId = await picture();
    expect([await make(mediaId), await make(mediaId, 'image/jpeg')]).toEqual(['made', 'made']);
    const variants = await variantsOf(mediaId);
    expect(variants.map(({ name, contentType }) => `${name} ${contentType}`)).toEqual(
      ['webp', 'avif', 'jpeg'].flatMap((type) =>
        ['thumbnail', 'small', 'medium', 'large', 'original'].map((name) => `${name} image/${type}`),
      ),
    );
    for (const { key, contentType, sha256 } of variants)
      expect(await world.objects.head(key)).toMatchObject({ contentType, checksumSha256: sha256 });
    const jpeg = await world.objects.get(variants.find(({ contentType }) => contentType === 'image/jpeg')?.key ?? '');
    expect(await sharp(jpeg.ok ? await buffer(jpeg.body) : Buffer.alloc(0)).metadata()).toMatchObject({
      format: 'jpeg',
      isProgressive: true,
    });
  });

  it('is made once', async () => {
    const mediaId = await picture();
    expect([await make(mediaId), await make(mediaId)]).toEqual(['made', 'nothing']);
    const together = await picture();
    expect((await Promise.all([make(together), make(together)])).sort()).toEqual(['made', 'nothing']);
    expect((await typesOf(together)).filter((type) => type === 'MediaFormatMade')).toHaveLength(1);
  });

  it('is not made of what is not ready, or deleted meanwhile', async () => {
    expect(await make(await world.uploaded(ann))).toBe('nothing');
    const mediaId = await picture();
    const remove = () =>
      handle(world, world.as(ann), {
        decider: mediaDecider,
        streamId: streamOf.media(mediaId),
        command: { type: 'DeleteMedia' },
        owners: () => [ann],
      });
    const late = {
      process: async (...args: Parameters<MediaWorkers['process']>) => {
        const made = await workers.process(...args);
        await remove();
        return made;
      },
    };
    expect(
      await makeFormat({ ...world, workers: late }, world.as('system'), { mediaId, contentType: 'image/avif' }),
    ).toBe('nothing');
    expect((await typesOf(mediaId)).at(-1)).toBe('MediaDeleted');
  });
});

it('is made when a client wished for it, and nonsense on the list hurts nobody', async () => {
  const { url, close } = await createTestRedis();
  const redis = openRedis(url);
  await whenRedisReady(redis, 10_000);
  const wishes = createWishList(redis, { name: `test-${randomUUID()}` });
  const stop = new AbortController();
  const mediaId = await picture();
  for (const wish of ['nonsense', `image/gif ${mediaId}`, `image/avif ${mediaId}`, `image/avif ${mediaId}`])
    await wishes.add(wish);
  const working = startFormatWork({ ...world, workers, wishes }, stop.signal, 5);
  await eventually('the format is made', async () => (await typesOf(mediaId)).includes('MediaFormatMade'));
  stop.abort();
  await working;
  expect(await wishes.take()).toBeNull();
  redis.disconnect();
  await close();
});

it('reads wishes as the read API writes them', () => {
  expect(FormatWish.safeParse('image/avif med_01h455vb4pex5vsknk084sn02q').success).toBe(true);
  expect(FormatWish.safeParse('image/webp med_01h455vb4pex5vsknk084sn02q').success).toBe(false);
});
