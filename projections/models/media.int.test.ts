import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountId, MediaId } from '../../domain/ids.ts';
import { erased, several } from '../../testing/facts.ts';
import { happened, openProjectionSpec, type ProjectionSpec } from '../../testing/projection-spec.ts';
import { media } from './media.ts';

let spec: ProjectionSpec;
beforeAll(async () => {
  spec = await openProjectionSpec(media);
});
afterAll(() => spec.close());

const [ownerId, other] = several.accounts(2) as [AccountId, AccountId];
const [photo, second] = several.media(2) as [MediaId, MediaId];
const variant = {
  name: 'small',
  key: 'media/a/small.webp',
  contentType: 'image/webp',
  width: 320,
  height: 240,
  bytes: 9_000,
  sha256: 'a'.repeat(64),
} as const;
const served = {
  name: variant.name,
  key: variant.key,
  contentType: variant.contentType,
  width: variant.width,
  height: variant.height,
};
const file = (mediaId: MediaId, owner = ownerId) =>
  ({
    mediaId,
    ownerId: owner,
    kind: 'image',
    contentType: 'image/jpeg',
    fileSize: 10,
    key: `uploads/${mediaId}`,
  }) as const;
const requested = (mediaId: MediaId, owner?: AccountId) =>
  happened('UploadRequested', { ...file(mediaId, owner), sha256: null, expiresAt: '2026-01-01T01:00:00.000Z' });
const completed = (mediaId: MediaId) => happened('UploadCompleted', { ...file(mediaId), sha256: 'b'.repeat(64) });
const processed = (mediaId: MediaId, owner = ownerId, key: string = variant.key) =>
  happened('MediaProcessed', {
    mediaId,
    ownerId: owner,
    kind: 'image',
    width: 640,
    height: 480,
    durationMs: null,
    blurhash: 'LEHV6nWB',
    variants: [{ ...variant, key }],
    camera: { latitude: 1, longitude: 2 },
  });

describe('media', () => {
  it('shows a processed medium with its sizes, and nothing that the camera wrote', async () => {
    const { tables } = await spec.project([requested(photo), completed(photo), processed(photo)]);
    expect(tables['media']).toMatchObject([
      {
        media_id: photo,
        status: 'ready',
        width: 640,
        height: 480,
        blurhash: 'LEHV6nWB',
        variants: [served],
        keys: { small: variant.key },
      },
    ]);
    expect(JSON.stringify(tables)).not.toContain('latitude');
  });

  it('knows the squares of a profile picture, and keeps to the first format of a size', async () => {
    const made = (name: 'small' | 'profile_small', contentType: string) => ({
      ...variant,
      name,
      contentType,
      key: `media/a/${name}.${contentType.slice(6)}`,
    });
    const added = (name: 'small' | 'profile_small', contentType: string) =>
      happened('MediaFormatMade', { mediaId: photo, ownerId, variants: [made(name, contentType)] });
    const { tables } = await spec.project([
      requested(photo),
      completed(photo),
      processed(photo),
      added('small', 'image/avif'),
      added('profile_small', 'image/webp'),
      added('profile_small', 'image/avif'),
    ]);
    expect(tables['media']).toMatchObject([
      { keys: { small: variant.key, profile_small: 'media/a/profile_small.webp' } },
    ]);
  });

  it('knows uploads that were abandoned or rejected', async () => {
    const { tables } = await spec.project([
      requested(photo),
      requested(second),
      completed(second),
      happened('UploadAbandoned', { mediaId: photo, ownerId }),
      happened('MediaRejected', { mediaId: second, ownerId, reason: 'truncated' }),
    ]);
    expect(tables['media']).toMatchObject([
      { status: 'abandoned', reason: null },
      { status: 'rejected', reason: 'truncated' },
    ]);
  });

  it('leads to no file of a deleted medium, nor to any of an erased account', async () => {
    const deleted = await spec.project([
      requested(photo),
      processed(photo),
      happened('MediaDeleted', { mediaId: photo, ownerId }),
      processed(photo),
    ]);
    expect(deleted.tables['media']).toMatchObject([{ status: 'deleted', variants: [], keys: {}, blurhash: null }]);
    const { tables } = await spec.project([
      requested(photo),
      processed(photo),
      requested(second, other),
      processed(second, other, 'media/b'),
      erased(ownerId),
      processed(photo),
    ]);
    expect(tables['media']).toMatchObject([
      { status: 'deleted', variants: [] },
      { status: 'ready', variants: [{ ...served, key: 'media/b' }] },
    ]);
  });
});
