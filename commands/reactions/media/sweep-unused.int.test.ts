import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId } from '../../../domain/ids.ts';
import { streamOf } from '../../../domain/streams.ts';
import { newId } from '../../../infra/ids.ts';
import { aPhoto, openContentWorld, type ContentWorld } from '../../../testing/content-world.ts';
import { startReactor, type TestReactor } from '../../../testing/reactor.ts';
import { postStory } from '../../stories/post-story.ts';
import { deleteMedia } from './delete-media.ts';
import { GRACE_MS, sweepDeletedMedia } from './sweep-media.ts';
import { sweepOrphans, sweepUnusedUploads } from './sweep-unused.ts';

const DAY_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;
const never = new AbortController().signal;
const cdn = { purge: () => Promise.resolve() };
let world: ContentWorld;
let ann: AccountId;
let reactor: TestReactor;
const startReaction = () => startReactor(world, [deleteMedia({ ...world, cdn, passed: async () => 'passed' })]);
beforeAll(async () => {
  world = await openContentWorld();
  ann = await world.account();
  reactor = await startReaction();
});
afterAll(async () => {
  await reactor.stop();
  await world.close();
});

const inTime = (ms: number) => new Date(Date.now() + ms);
const deps = () => ({ ...world, unusedUploadMs: DAY_MS });
const statusOf = async (mediaId: MediaId) => (await world.mediaState(mediaId)).status;
const uploadOf = async (mediaId: MediaId) => {
  const media = await world.mediaState(mediaId);
  return media.status === 'absent' ? '' : media.key;
};
const variantOf = (mediaId: MediaId) => `media/${mediaId}/small.webp`;
const put = (key: string) => world.objects.put(key, Buffer.from('bytes'), { contentType: 'image/webp' });
const isThere = async (key: string) => (await world.objects.head(key)) !== null;
/** Twice: what the reaction appends stands behind the first point. */
async function caughtUp(): Promise<void> {
  await reactor.caughtUp();
  await reactor.caughtUp();
}

describe('an upload that is completed and never used', () => {
  it('is deleted with all that is stored of it after a day, and none that is used, or was just uploaded', async () => {
    const [unused, posted, told, pictured, source] = (await Promise.all(
      Array.from({ length: 5 }, async () => world.uploaded(ann, await aPhoto())),
    )) as [MediaId, MediaId, MediaId, MediaId, MediaId];
    await put(variantOf(unused));
    await world.post(ann, [posted]);
    await world.post(ann, [source], { filter: 'juno' });
    await postStory(world, world.as(ann), { authorId: ann, mediaId: told, durationMs: null, audience: 'all' });
    await world.record(streamOf.account(ann), {
      type: 'ProfilePictureChosen',
      data: { accountId: ann, mediaId: pictured },
    });
    await caughtUp();
    const sweep = sweepUnusedUploads(deps());
    const keys = [await uploadOf(unused), variantOf(unused)];
    expect(await sweep.sweep(inTime(DAY_MS - HOUR_MS), never)).toBe(0);
    expect(await Promise.all(keys.map(isThere))).toEqual([true, true]);
    expect(await sweep.sweep(inTime(DAY_MS + HOUR_MS), never)).toBe(1);
    expect(await Promise.all(keys.map(isThere))).toEqual([false, false]);
    expect(await statusOf(unused)).toBe('deleted');
    for (const kept of [posted, told, pictured, source])
      expect([await statusOf(kept), await isThere(await uploadOf(kept))]).toEqual(['uploaded', true]);
    expect(await sweep.sweep(inTime(DAY_MS + HOUR_MS), never)).toBe(0);
  });

  it('is left alone while it is not known whether something shows it by now', async () => {
    const mediaId = await world.uploaded(ann, await aPhoto());
    await caughtUp();
    await reactor.stop();
    await world.post(ann, [mediaId]);
    const abort = AbortSignal.abort();
    // Nobody notes uses: the sweep gives up, here at once.
    expect(await sweepUnusedUploads(deps()).sweep(inTime(DAY_MS + HOUR_MS), abort)).toBe(0);
    expect(await statusOf(mediaId)).toBe('uploaded');
    reactor = await startReaction();
    await caughtUp();
    expect(await sweepUnusedUploads(deps()).sweep(inTime(DAY_MS + HOUR_MS), never)).toBe(0);
    expect(await statusOf(mediaId)).toBe('uploaded');
  });
});

describe('an object', () => {
  it("goes when no event names it, and is old; what is named, young or somebody else's stays", async () => {
    const processed = await world.ready(ann);
    const variant = {
      contentType: 'image/webp',
      width: 4,
      height: 3,
      bytes: 5,
      sha256: 'a'.repeat(64),
      name: 'small',
      key: variantOf(processed),
    } as const;
    await world.record(streamOf.media(processed), {
      type: 'MediaFormatMade',
      data: { mediaId: processed, ownerId: ann, variants: [variant] },
    });
    const video = await world.uploaded(ann);
    const streams = {
      playlist: `media/${video}/hls/master.m3u8`,
      renditions: [{ name: '240p', height: 240, width: 320 }],
    };
    await world.record(streamOf.media(video), {
      type: 'MediaProcessed',
      data: {
        mediaId: video,
        ownerId: ann,
        kind: 'video',
        width: 4,
        height: 3,
        durationMs: 1,
        blurhash: '',
        variants: [],
        camera: null,
        streams,
      },
    });
    const uploaded = await world.uploaded(ann, await aPhoto());
    const deleted = await world.uploaded(ann, await aPhoto());
    await world.record(streamOf.media(deleted), { type: 'MediaDeleted', data: { mediaId: deleted, ownerId: ann } });
    await caughtUp();
    const nobodys = newId.media();
    const named = [
      variantOf(processed),
      await uploadOf(uploaded),
      variantOf(uploaded),
      `media/${video}/hls/240p/1.ts`,
      await uploadOf(deleted),
      'media/readme.txt',
      'other/thing',
    ];
    const unnamed = [
      `media/${processed}/leftover.webp`,
      `media/${video}/other.webp`,
      `uploads/${ann}/${nobodys}`,
      variantOf(nobodys),
    ];
    for (const key of [...named, ...unnamed]) if (!(await isThere(key))) await put(key);
    const sweep = sweepOrphans(deps());
    expect(await sweep.sweep(inTime(DAY_MS - HOUR_MS), never)).toBe(0);
    expect(await sweep.sweep(inTime(DAY_MS + HOUR_MS), never)).toBe(unnamed.length);
    for (const key of named) expect([key, await isThere(key)]).toEqual([key, true]);
    for (const key of unnamed) expect([key, await isThere(key)]).toEqual([key, false]);
    // What comes once more for a medium whose time of grace is over, as by an address that was signed before.
    await sweepDeletedMedia(world).sweep(inTime(GRACE_MS + DAY_MS), never);
    const late = await uploadOf(deleted);
    await put(late);
    expect(await sweep.sweep(inTime(DAY_MS + HOUR_MS), never)).toBe(1);
    expect(await isThere(late)).toBe(false);
  });
});
