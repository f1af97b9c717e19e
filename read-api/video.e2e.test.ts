import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId } from '../domain/ids.ts';
import { newId } from '../infra/ids.ts';
import { happened } from '../testing/projection-spec.ts';
import { openReadWorld, type ReadWorld } from '../testing/read-world.ts';

let world: ReadWorld;
let ann: AccountId;
let shy: AccountId;
beforeAll(async () => {
  world = await openReadWorld();
  ann = await world.person('ann');
  shy = await world.person('shy', { privacy: 'private' });
});
afterAll(() => world.close());

const FILES: Readonly<Record<string, readonly [type: string, text: string]>> = {
  'master.m3u8': [
    'application/vnd.apple.mpegurl',
    '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=426x240\n240p/index.m3u8\n',
  ],
  '240p/index.m3u8': [
    'application/vnd.apple.mpegurl',
    '#EXTM3U\n#EXTINF:2.000000,\n000.ts\n#EXTINF:1.000000,\n001.ts\n#EXT-X-ENDLIST\n',
  ],
  '240p/000.ts': ['video/mp2t', 'first segment'],
  '240p/001.ts': ['video/mp2t', 'second segment'],
};

async function video(ownerId: AccountId): Promise<MediaId> {
  const mediaId = newId.media();
  const file = { mediaId, ownerId, kind: 'video' as const };
  for (const [name, [contentType, text]] of Object.entries(FILES))
    await world.objects.put(`media/${mediaId}/${name}`, Buffer.from(text), { contentType });
  await world.tell(
    happened('UploadRequested', {
      ...file,
      contentType: 'video/mp4',
      fileSize: 10,
      sha256: null,
      key: `uploads/${mediaId}`,
      expiresAt: '2030-01-01T00:00:00.000Z',
    }),
    happened('MediaProcessed', {
      ...file,
      width: 426,
      height: 240,
      durationMs: 3_000,
      blurhash: 'LEHV6nWB2yk8pyo0adR*',
      camera: null,
      variants: [
        {
          name: 'small',
          key: `media/${mediaId}/small.webp`,
          contentType: 'image/webp',
          width: 320,
          height: 180,
          bytes: 10,
          sha256: 'a'.repeat(64),
        },
      ],
      streams: { playlist: `media/${mediaId}/master.m3u8`, renditions: [{ name: '240p', width: 426, height: 240 }] },
    }),
  );
  return mediaId;
}

type Answered = { media: { type: string; duration_ms: number; urls: { hls?: string; small: string } }[] };
async function posted(owner: AccountId): Promise<{ mediaId: MediaId; hls: string }> {
  const mediaId = await video(owner);
  const { body } = await world.get(`/v1/posts/${await world.post(owner, { mediaIds: [mediaId] })}`, owner);
  const [medium] = (body as Answered).media;
  expect(medium).toMatchObject({
    type: 'video',
    duration_ms: 3_000,
    urls: { small: expect.stringContaining('small.webp') },
  });
  return { mediaId, hls: medium?.urls.hls ?? '' };
}

/** Follows a playlist as a player does, and gives every answer that is no playlist. */
async function play(address: string): Promise<string[]> {
  const answer = await fetch(address);
  if (answer.status !== 200) return [`${String(answer.status)}`];
  const text = await answer.text();
  if (answer.headers.get('content-type') !== 'application/vnd.apple.mpegurl')
    return [`${answer.headers.get('content-type') ?? ''}: ${text}`];
  const names = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return (await Promise.all(names.map((name) => play(new URL(name, address).href)))).flat();
}

describe('a video', () => {
  it('is played from the address in its post, which caches may keep', async () => {
    const { mediaId, hls } = await posted(ann);
    expect(hls).toBe(`/media/media/${mediaId}/master.m3u8`);
    expect(await play(world.url + hls)).toEqual(['video/mp2t: first segment', 'video/mp2t: second segment']);
    const answer = await fetch(world.url + hls);
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    const part = await fetch(`${world.url}/media/media/${mediaId}/240p/000.ts`, { headers: { Range: 'bytes=0-4' } });
    expect([part.status, await part.text()]).toEqual([206, 'first']);
  });

  it('of a private account plays by signed addresses alone, down to each segment', async () => {
    const { mediaId, hls } = await posted(shy);
    expect(hls).toContain('signature=');
    expect(await play(world.url + hls)).toEqual(['video/mp2t: first segment', 'video/mp2t: second segment']);
    const playlist = await fetch(world.url + hls);
    expect(playlist.headers.get('cache-control')).toBe('private, max-age=3600');
    for (const name of Object.keys(FILES))
      expect((await fetch(`${world.url}/media/media/${mediaId}/${name}`)).status, name).toBe(404);
  });

  it('leads to no other file, and to none once it is deleted', async () => {
    const { mediaId, hls } = await posted(ann);
    await world.objects.put(`media/${mediaId}/notes.txt`, Buffer.from('x'), { contentType: 'text/plain' });
    for (const name of ['notes.txt', '240p/009.ts', '240p/../master.m3u8/x'])
      expect((await fetch(`${world.url}/media/media/${mediaId}/${name}`)).status, name).toBe(404);
    await world.tell(happened('MediaDeleted', { mediaId, ownerId: ann }));
    await world.get('/v1/users/ann', ann);
    expect(await play(world.url + hls)).toEqual(['404']);
  });

  it('has no playlist when it is a picture', async () => {
    const { body } = await world.get(`/v1/posts/${await world.post(ann)}`, ann);
    expect((body as Answered).media[0]?.urls).not.toHaveProperty('hls');
  });
});
