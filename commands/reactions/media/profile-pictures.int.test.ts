import { buffer } from 'node:stream/consumers';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId } from '../../../domain/ids.ts';
import { streamOf } from '../../../domain/streams.ts';
import { startMediaWorkers, type MediaWorkers } from '../../../media/worker-pool.ts';
import { openContentWorld, type ContentWorld } from '../../../testing/content-world.ts';
import { forgetProgress, startReactor, type TestReactor } from '../../../testing/reactor.ts';
import { makeFormat } from './make-format.ts';
import { makeMedia } from './make-media.ts';
import { profilePictures } from './profile-pictures.ts';

let world: ContentWorld;
let workers: MediaWorkers;
let reactor: TestReactor;
beforeAll(async () => {
  world = await openContentWorld();
  workers = startMediaWorkers({ workers: 1 });
  reactor = await startReactor(world, [profilePictures({ ...world, workers })]);
});
afterAll(async () => {
  await reactor.stop();
  await workers.close();
  await world.close();
});

async function picture(owner: AccountId): Promise<MediaId> {
  const mediaId = await world.uploaded(owner);
  expect(await makeMedia({ ...world, workers }, world.as('system'), { mediaId })).toBe('processed');
  return mediaId;
}
const choose = (accountId: AccountId, mediaId: MediaId | null) =>
  world.record(streamOf.account(accountId), { type: 'ProfilePictureChosen', data: { accountId, mediaId } });
const squares = ['profile_small', 'profile_medium'];

async function variantsOf(mediaId: MediaId) {
  const state = await world.mediaState(mediaId);
  return state.status === 'processed' ? state.variants : [];
}
const squaresOf = async (mediaId: MediaId) => (await variantsOf(mediaId)).filter(({ name }) => squares.includes(name));

describe('a picture that is chosen for a profile', () => {
  it('is made into squares of 320 and 640 pixels, which are stored before they are told of', async () => {
    const ann = await world.account();
    const [chosen, other] = [await picture(ann), await picture(ann)];
    await choose(ann, chosen);
    await reactor.caughtUp();
    const made = await squaresOf(chosen);
    expect(made.map(({ name, width, height }) => [name, width, height])).toEqual([
      ['profile_small', 320, 320],
      ['profile_medium', 640, 640],
    ]);
    for (const { key, width, sha256 } of made) {
      expect(await world.objects.head(key)).toMatchObject({ checksumSha256: sha256 });
      const file = await world.objects.get(key);
      expect(await sharp(file.ok ? await buffer(file.body) : Buffer.alloc(0)).metadata()).toMatchObject({
        format: 'webp',
        width,
        height: width,
      });
    }
    expect(await squaresOf(other)).toEqual([]);
  });

  it('gets its squares in a format that is made before or after them', async () => {
    const ann = await world.account();
    const mediaId = await picture(ann);
    const make = (contentType: 'image/avif' | 'image/jpeg') =>
      makeFormat({ ...world, workers }, world.as('system'), { mediaId, contentType });
    expect(await make('image/avif')).toBe('made');
    await choose(ann, mediaId);
    await reactor.caughtUp();
    expect([await make('image/avif'), await make('image/avif'), await make('image/jpeg')]).toEqual([
      'made',
      'nothing',
      'made',
    ]);
    const all = (await variantsOf(mediaId)).map(({ name, contentType }) => `${name} ${contentType}`);
    expect(all).toHaveLength(new Set(all).size);
    for (const type of ['webp', 'avif', 'jpeg'])
      for (const name of ['thumbnail', ...squares]) expect(all).toContain(`${name} image/${type}`);
  });

  it('is left alone when another one was chosen since, when it is deleted, and when its account is erased', async () => {
    const [ann, ben, cat] = [await world.account(), await world.account(), await world.account()];
    const [first, second, deleted, erased] = [
      await picture(ann),
      await picture(ann),
      await picture(ben),
      await picture(cat),
    ];
    await reactor.stop();
    for (const mediaId of [first, second]) await choose(ann, mediaId);
    await choose(ben, deleted);
    await world.record(streamOf.media(deleted), { type: 'MediaDeleted', data: { mediaId: deleted, ownerId: ben } });
    await choose(cat, erased);
    await world.record(streamOf.account(cat), { type: 'AccountErased', data: { accountId: cat } });
    reactor = await startReactor(world, [profilePictures({ ...world, workers })]);
    await reactor.caughtUp();
    expect([
      (await squaresOf(first)).length,
      (await squaresOf(second)).length,
      (await squaresOf(erased)).length,
    ]).toEqual([0, 2, 0]);
    expect((await world.types(streamOf.media(deleted))).at(-1)).toBe('MediaDeleted');
  });

  it('is made once, however often it is chosen and told', async () => {
    const ann = await world.account();
    const mediaId = await picture(ann);
    for (const chosen of [mediaId, null, mediaId]) await choose(ann, chosen);
    await reactor.caughtUp();
    await reactor.stop();
    await forgetProgress(world);
    reactor = await startReactor(world, [profilePictures({ ...world, workers })]);
    await reactor.caughtUp();
    expect((await world.types(streamOf.media(mediaId))).filter((type) => type === 'MediaFormatMade')).toHaveLength(1);
  });

  it('stays as it is when its file is gone, and holds up nobody', async () => {
    const ann = await world.account();
    const [lost, next] = [await picture(ann), await picture(ann)];
    const state = await world.mediaState(lost);
    await world.objects.delete(state.status === 'processed' ? state.key : '');
    await choose(ann, lost);
    await reactor.caughtUp();
    await choose(ann, next);
    await reactor.caughtUp();
    expect([(await squaresOf(lost)).length, (await squaresOf(next)).length]).toEqual([0, 2]);
  });
});
