import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId } from '../../../domain/ids.ts';
import { LIMITS } from '../../../domain/limits.ts';
import { streamOf } from '../../../domain/streams.ts';
import { aPhoto, openContentWorld, type ContentWorld } from '../../../testing/content-world.ts';
import { eventually } from '../../../testing/projector-world.ts';
import { forgetProgress, startReactor, type TestReactor } from '../../../testing/reactor.ts';
import { archivePost } from '../../posts/archive-post.ts';
import { completeUpload } from '../../media/complete-upload.ts';
import { deletePost } from '../../posts/delete-post.ts';
import { deleteStory } from '../../stories/delete-story.ts';
import { postStory } from '../../stories/post-story.ts';
import { requestUpload } from '../../media/request-upload.ts';
import { deleteMedia } from './delete-media.ts';
import { GRACE_MS, sweepDeletedMedia, sweepStories, sweepUploads } from './sweep-media.ts';

let world: ContentWorld;
let ann: AccountId;
let reactor: TestReactor;
const purged: string[] = [];
const cdn = {
  purge: async (paths: readonly string[]) => {
    purged.push(...paths);
  },
};
const passed = async () => 'passed' as const;
const never = new AbortController().signal;
const DAY_MS = 24 * 3_600_000;

beforeAll(async () => {
  world = await openContentWorld();
  ann = await world.account();
  reactor = await startReactor(world, [deleteMedia({ ...world, cdn, passed })]);
});
afterAll(async () => {
  await reactor.stop();
  await world.close();
});

/** Twice: what the reaction appends stands behind the first point. */
async function caughtUp(): Promise<void> {
  await reactor.caughtUp();
  await reactor.caughtUp();
}

const statusOf = async (mediaId: MediaId) => (await world.mediaState(mediaId)).status;
const inTime = (ms: number) => new Date(Date.now() + ms);

async function story(mediaId: MediaId) {
  const posted = await postStory(world, world.as(ann), { authorId: ann, mediaId, durationMs: null, audience: 'all' });
  if (!posted.ok) throw new Error(posted.refusal.code);
  return posted.storyId;
}

describe('media are deleted', () => {
  it('with the last post that shows them', async () => {
    const mediaId = await world.ready(ann);
    const [first, second] = [await world.post(ann, [mediaId]), await world.post(ann, [mediaId])];
    await deletePost(world, world.as(ann), { accountId: ann, postId: first });
    await caughtUp();
    expect(await statusOf(mediaId)).toBe('processed');
    await deletePost(world, world.as(ann), { accountId: ann, postId: second });
    await caughtUp();
    expect(await statusOf(mediaId)).toBe('deleted');
  });

  it('with a story that is taken down', async () => {
    const mediaId = await world.ready(ann);
    await deleteStory(world, world.as(ann), { accountId: ann, storyId: await story(mediaId) });
    await caughtUp();
    expect(await statusOf(mediaId)).toBe('deleted');
  });

  it('with a post that shows them through a filter, the picture too unless something else shows it', async () => {
    const [lone, shared] = [await world.ready(ann), await world.ready(ann)];
    await world.post(ann, [shared]);
    const postId = await world.post(ann, [lone, shared], { filter: 'juno' });
    const post = await world.postState(postId);
    const derived = post.status === 'absent' ? [] : post.mediaIds;
    await deletePost(world, world.as(ann), { accountId: ann, postId });
    for (let link = 0; link < 3; link += 1) await reactor.caughtUp();
    expect(await Promise.all([...derived, lone, shared].map(statusOf))).toEqual([
      'deleted',
      'deleted',
      'deleted',
      'processed',
    ]);
  });

  it('when another profile picture takes their place, and not while a post shows them', async () => {
    const [first, second, posted] = [await world.ready(ann), await world.ready(ann), await world.ready(ann)];
    await world.post(ann, [posted]);
    for (const mediaId of [first, posted, second])
      await world.record(streamOf.account(ann), { type: 'ProfilePictureChosen', data: { accountId: ann, mediaId } });
    await caughtUp();
    expect([await statusOf(first), await statusOf(posted), await statusOf(second)]).toEqual([
      'deleted',
      'processed',
      'processed',
    ]);
  });

  it('all of them with their account', async () => {
    const [cat, dan] = [await world.account(), await world.account()];
    const [hers, another, his] = [await world.ready(cat), await world.uploaded(cat), await world.ready(dan)];
    await world.record(streamOf.account(cat), { type: 'AccountErased', data: { accountId: cat } });
    await caughtUp();
    expect([await statusOf(hers), await statusOf(another), await statusOf(his)]).toEqual([
      'deleted',
      'deleted',
      'processed',
    ]);
  });

  it('once, however often everything is delivered', async () => {
    const mediaId = await world.ready(ann);
    const kept = await world.ready(ann);
    const postId = await world.post(ann, [mediaId]);
    await world.post(ann, [kept]);
    await deletePost(world, world.as(ann), { accountId: ann, postId });
    await caughtUp();
    await reactor.stop();
    await forgetProgress(world);
    reactor = await startReactor(world, [deleteMedia({ ...world, cdn, passed })]);
    await caughtUp();
    expect((await world.types(streamOf.media(mediaId))).filter((type) => type === 'MediaDeleted')).toHaveLength(1);
    expect(await statusOf(kept)).toBe('processed');
  });
});

describe('caches', () => {
  const pathOf = (mediaId: MediaId) => `/media/media/${mediaId}/`;

  it('forget what is deleted, and nothing else', async () => {
    const [mediaId, kept] = [await world.ready(ann), await world.ready(ann)];
    const postId = await world.post(ann, [mediaId]);
    await world.post(ann, [kept]);
    await deletePost(world, world.as(ann), { accountId: ann, postId });
    await caughtUp();
    await eventually('the caches have forgotten it', () => purged.includes(pathOf(mediaId)));
    expect(purged).not.toContain(pathOf(kept));
  });

  it('forget what an archived post showed, and not what another shows', async () => {
    const [mediaId, kept] = [await world.ready(ann), await world.ready(ann)];
    const postId = await world.post(ann, [mediaId]);
    await world.post(ann, [kept]);
    await archivePost(world, world.as(ann), { accountId: ann, postId });
    await caughtUp();
    expect(purged).toContain(pathOf(mediaId));
    expect(purged).not.toContain(pathOf(kept));
    expect(await statusOf(mediaId)).toBe('processed');
  });

  it('forget what everybody could see once the account is private', async () => {
    const ben = await world.account();
    const media = [await world.ready(ben), await world.ready(ben)];
    const others = await world.ready(ann);
    await world.record(streamOf.account(ben), { type: 'AccountMadePrivate', data: { accountId: ben } });
    await caughtUp();
    expect(purged).toEqual(expect.arrayContaining(media.map(pathOf)));
    expect(purged).not.toContain(pathOf(others));
  });
});

describe('when a story runs out', () => {
  it('its medium is deleted by the sweep, unless a post shows it', async () => {
    const [lone, shared] = [await world.ready(ann), await world.ready(ann)];
    await story(lone);
    await story(shared);
    await world.post(ann, [shared]);
    await caughtUp();
    const sweep = sweepStories(world);
    expect(await sweep.sweep(inTime(DAY_MS - 60_000), never)).toBe(0);
    expect(await sweep.sweep(inTime(DAY_MS + 60_000), never)).toBe(2);
    expect(await sweep.sweep(inTime(DAY_MS + 60_000), never)).toBe(0);
    expect([await statusOf(lone), await statusOf(shared)]).toEqual(['deleted', 'processed']);
  });
});

describe('an upload that is never completed', () => {
  async function abandoned(owner: AccountId) {
    const photo = await aPhoto();
    const requested = await requestUpload(world, world.as(owner), {
      ownerId: owner,
      contentType: 'image/jpeg',
      fileSize: photo.length,
      sha256: null,
      ordinal: 0,
    });
    if (!requested.ok) throw new Error(requested.refusal.code);
    await world.objects.put(requested.upload.key, photo, { contentType: 'image/jpeg' });
    return requested.upload;
  }

  it('is given up after its time, and what arrived of it is removed', async () => {
    const { mediaId, key } = await abandoned(ann);
    await caughtUp();
    const sweep = sweepUploads(world);
    await sweep.sweep(inTime(LIMITS.uploadLifetimeMs - 60_000), never);
    expect(await statusOf(mediaId)).toBe('requested');
    expect(await sweep.sweep(inTime(LIMITS.uploadLifetimeMs + 60_000), never)).toBeGreaterThan(0);
    expect(await statusOf(mediaId)).toBe('abandoned');
    expect(await world.objects.head(key)).toBeNull();
    expect(await completeUpload(world, world.as(ann), { accountId: ann, mediaId })).toMatchObject({
      ok: false,
      refusal: { code: 'upload_expired' },
    });
  });

  it('is left alone when it was completed at the last moment, before the sweep had heard of it', async () => {
    const { mediaId, key } = await abandoned(ann);
    await caughtUp();
    await reactor.stop();
    expect(await completeUpload(world, world.as(ann), { accountId: ann, mediaId })).toMatchObject({ ok: true });
    await sweepUploads(world).sweep(inTime(LIMITS.uploadLifetimeMs + 60_000), never);
    reactor = await startReactor(world, [deleteMedia({ ...world, cdn, passed })]);
    expect(await statusOf(mediaId)).toBe('uploaded');
    expect(await world.objects.head(key)).not.toBeNull();
  });

  it('is given up once, also when the sweep dies between its steps', async () => {
    const { mediaId, key } = await abandoned(ann);
    await caughtUp();
    const dying = {
      ...world,
      objects: { ...world.objects, delete: () => Promise.reject(new Error('the store is away')) },
    };
    await expect(sweepUploads(dying).sweep(inTime(LIMITS.uploadLifetimeMs + 60_000), never)).rejects.toThrow(
      'the store is away',
    );
    await sweepUploads(world).sweep(inTime(LIMITS.uploadLifetimeMs + 60_000), never);
    expect(await world.types(streamOf.media(mediaId))).toEqual(['UploadRequested', 'UploadAbandoned']);
    expect(await world.objects.head(key)).toBeNull();
  });
});

it('keeps the objects of deleted media for 30 days and then removes all of them, and no others', async () => {
  const [gone, kept] = [await world.ready(ann), await world.ready(ann)];
  for (const mediaId of [gone, kept]) {
    for (const key of [`media/${mediaId}/small.webp`, `media/${mediaId}/large.webp`, `uploads/${ann}/${mediaId}`])
      await world.objects.put(key, Buffer.from('x'), { contentType: 'image/webp' });
  }
  const postId = await world.post(ann, [gone]);
  await world.post(ann, [kept]);
  await deletePost(world, world.as(ann), { accountId: ann, postId });
  await caughtUp();
  const left = async (mediaId: MediaId) =>
    (await countObjects(`media/${mediaId}/`)) + (await countObjects(`uploads/${ann}/${mediaId}`));
  await sweepDeletedMedia(world).sweep(inTime(GRACE_MS - 60_000), never);
  expect(await left(gone)).toBe(3);
  await sweepDeletedMedia(world).sweep(inTime(GRACE_MS + 60_000), never);
  expect([await left(gone), await left(kept)]).toEqual([0, 3]);
});

async function countObjects(prefix: string): Promise<number> {
  let count = 0;
  for await (const { key } of world.objects.list(prefix)) count += key.startsWith(prefix) ? 1 : 0;
  return count;
}
