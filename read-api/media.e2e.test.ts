import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId } from '../domain/ids.ts';
import { newId } from '../infra/ids.ts';
import { happened } from '../testing/projection-spec.ts';
import { openReadWorld, type ReadWorld } from '../testing/read-world.ts';

let world: ReadWorld;
let ann: AccountId;
let photo: MediaId;
const bytes = Buffer.from('0123456789');
beforeAll(async () => {
  world = await openReadWorld();
  ann = await world.person('ann');
  photo = await world.medium(ann);
  await put(photo);
});
afterAll(() => world.close());

const keyOf = (mediaId: MediaId) => `media/${mediaId}/small.webp`;
const put = (mediaId: MediaId) => world.objects.put(keyOf(mediaId), bytes, { contentType: 'image/webp' });
// Files are served without waiting for a token, so the test waits by a read that has one.
const file = async (address: string, headers: Record<string, string> = {}, method = 'GET') => {
  await world.get('/v1/users/ann', ann);
  return fetch(world.url + address, { headers, method });
};
const address = (mediaId: MediaId) => `/media/${keyOf(mediaId)}`;

describe('GET /media', () => {
  it('serves a file without a login, for caches to keep', async () => {
    const answer = await file(address(photo));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(answer.headers.get('content-type')).toBe('image/webp');
    expect(answer.headers.get('content-length')).toBe('10');
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(bytes);
  });

  it('answers a known entity tag with 304, and HEAD without bytes', async () => {
    const etag = (await file(address(photo))).headers.get('etag')!;
    const known = await file(address(photo), { 'If-None-Match': `"other", W/${etag}` });
    expect([known.status, await known.text()]).toEqual([304, '']);
    const head = await file(address(photo), {}, 'HEAD');
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '10', '']);
  });

  it('serves ranges, refuses those without bytes, and ignores nonsense and outdated ones', async () => {
    const range = async (value: string, more: Record<string, string> = {}) => {
      const answer = await file(address(photo), { Range: value, ...more });
      return [answer.status, answer.headers.get('content-range'), answer.status === 416 ? '' : await answer.text()];
    };
    expect(await range('bytes=2-4')).toEqual([206, 'bytes 2-4/10', '234']);
    expect(await range('bytes=7-')).toEqual([206, 'bytes 7-9/10', '789']);
    expect(await range('bytes=-2')).toEqual([206, 'bytes 8-9/10', '89']);
    expect(await range('bytes=5-99')).toEqual([206, 'bytes 5-9/10', '56789']);
    expect(await range('bytes=10-')).toEqual([416, 'bytes */10', '']);
    for (const odd of ['bytes=4-2', 'lines=1-2', 'bytes=0-1,4-5', 'bytes=-'])
      expect(await range(odd), odd).toEqual([200, null, '0123456789']);
    expect(await range('bytes=2-4', { 'If-Range': '"outdated"' })).toEqual([200, null, '0123456789']);
  });

  it('serves the format that a client prefers once it is made, and says until then that it is wished for', async () => {
    const medium = await world.medium(ann);
    await put(medium);
    const asked = async (accept: string) => {
      const answer = await file(address(medium), { Accept: accept });
      return [
        answer.headers.get('content-type'),
        answer.headers.get('cache-control'),
        answer.headers.get('vary')?.includes('Accept'),
      ];
    };
    const browser = 'image/avif,image/webp,image/apng,image/*,*/*;q=0.8';
    const kept = 'public, max-age=31536000, immutable';
    expect(await asked('image/webp,*/*')).toEqual(['image/webp', kept, true]);
    expect(await asked('*/*')).toEqual(['image/webp', kept, true]);
    expect(world.wishes.filter((wish) => wish.endsWith(medium))).toEqual([]);
    expect(await asked(browser)).toEqual(['image/webp', 'public, max-age=60', true]);
    expect(await asked('image/jpeg')).toEqual(['image/webp', 'public, max-age=60', true]);
    expect(world.wishes.filter((wish) => wish.endsWith(medium))).toEqual([
      `image/avif ${medium}`,
      `image/jpeg ${medium}`,
    ]);
    const avif = {
      name: 'small',
      key: `media/${medium}/small.avif`,
      contentType: 'image/avif',
      width: 320,
      height: 240,
      bytes: 10,
      sha256: 'a'.repeat(64),
    } as const;
    await world.objects.put(avif.key, bytes, { contentType: 'image/avif' });
    await world.tell(happened('MediaFormatMade', { mediaId: medium, ownerId: ann, variants: [avif] }));
    expect(await asked(browser)).toEqual(['image/avif', kept, true]);
    expect(await asked('image/webp,*/*')).toEqual(['image/webp', kept, true]);
    expect(await asked('image/avif;q=0, image/webp')).toEqual(['image/webp', kept, true]);
  });

  it('serves nothing but files of ready media', async () => {
    await world.objects.put('uploads/raw', bytes, { contentType: 'image/jpeg' });
    for (const path of [
      '/media/uploads/raw',
      '/media/../package.json',
      '/media/%2e%2e/x',
      '/media/',
      `/media/media/${photo}/large.webp`,
      '/media/%E0%A4%A',
    ]) {
      expect((await file(path)).status, path).toBe(404);
    }
  });

  it("serves an archived post's file to its author alone, who is told a signed address, and to everybody again afterwards", async () => {
    const other = await world.person('curious');
    const medium = await world.medium(ann);
    await put(medium);
    const postId = await world.post(ann, { mediaIds: [medium] });
    const status = async (path = address(medium)) => (await file(path)).status;
    expect(await status()).toBe(200);
    await world.tell(happened('PostArchived', { postId, authorId: ann }));
    expect(await status()).toBe(404);
    expect((await world.get(`/v1/posts/${postId}`, other)).status).toBe(404);
    const { body } = await world.get(`/v1/posts/${postId}`, ann);
    const [shown] = (body as { media: { urls: { small: string } }[] }).media;
    const signed = await file(shown!.urls.small);
    expect([signed.status, signed.headers.get('cache-control')]).toEqual([200, 'private, max-age=3600']);
    await world.tell(happened('PostUnarchived', { postId, authorId: ann }));
    expect(await status()).toBe(200);
  });

  it('serves the file of an archived post as long as something else shows it', async () => {
    const [inBoth, inStory, asPicture] = [await world.medium(ann), await world.medium(ann), await world.medium(ann)];
    for (const medium of [inBoth, inStory, asPicture]) await put(medium);
    await world.post(ann, { mediaIds: [inBoth] });
    const storyId = newId.story();
    await world.tell(
      happened('StoryPosted', { storyId, authorId: ann, mediaId: inStory, durationMs: 5_000, audience: 'all' }),
      happened('StoryPublished', {
        storyId,
        authorId: ann,
        audience: 'all',
        publishedAt: '2026-01-01T00:00:00.000Z',
        expiresAt: '2026-01-02T00:00:00.000Z',
      }),
      happened('ProfilePictureChosen', { accountId: ann, mediaId: asPicture }),
    );
    for (const medium of [inBoth, inStory, asPicture])
      await world.tell(
        happened('PostArchived', { postId: await world.post(ann, { mediaIds: [medium] }), authorId: ann }),
      );
    for (const medium of [inBoth, inStory, asPicture]) expect((await file(address(medium))).status).toBe(200);
  });

  it("serves a private account's file by its signed address alone", async () => {
    const shy = await world.person('shy', { privacy: 'private' });
    const medium = await world.medium(shy);
    await put(medium);
    const post = await world.post(shy, { mediaIds: [medium] });
    expect((await file(address(medium))).status).toBe(404);
    const { body } = await world.get(`/v1/posts/${post}`, shy);
    const { small } = (body as { media: { urls: { small: string } }[] }).media[0]!.urls;
    expect(small).toContain('signature=');
    const signed = await file(small);
    expect([signed.status, signed.headers.get('cache-control')]).toEqual([200, 'private, max-age=3600']);
    expect(
      (await file(small.replace(/signature=(.)/, (_, first) => `signature=${first === 'A' ? 'B' : 'A'}`))).status,
    ).toBe(404);
    const query = small.slice(small.indexOf('?'));
    const other = await world.medium(shy);
    await put(other);
    expect((await file(address(other) + query)).status).toBe(404);
  });

  it('stops serving the files of deleted media and of erased accounts', async () => {
    const [one, two] = [await world.medium(ann), await world.medium(ann)];
    await put(one);
    await put(two);
    expect((await file(address(one))).status).toBe(200);
    await world.tell(happened('MediaDeleted', { mediaId: one, ownerId: ann }));
    expect((await file(address(one))).status).toBe(404);
    const gone = await world.person('gone');
    const theirs = await world.medium(gone);
    await put(theirs);
    expect((await file(address(theirs))).status).toBe(200);
    await world.tell(happened('AccountErased', { accountId: gone }));
    expect((await file(address(theirs))).status).toBe(404);
  });
});
